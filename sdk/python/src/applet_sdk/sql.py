"""Writes what the builder collected as SQL. Pure: names are checked here, values become parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .errors import BuilderError

__all__ = ["Condition", "Join", "Order", "Parts", "SoftDeletable", "Statement"]

Order: TypeAlias = Literal["asc", "desc"]
"""In which direction rows are sorted."""

SoftDeletable: TypeAlias = Callable[[str], bool]
"""Whether rows of a table can be soft deleted."""

# PostgreSQL cuts longer names, so they are refused.
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")

_OPERATORS = {
    "=": "=",
    "!=": "<>",
    "<>": "<>",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "like": "LIKE",
    "ilike": "ILIKE",
    "not like": "NOT LIKE",
    "not ilike": "NOT ILIKE",
}

_DIRECTIONS = {"asc": "ASC", "desc": "DESC"}

# What the host's interface counts rows with.
_MOST_ROWS = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Statement:
    """A finished statement."""

    sql: str
    parameters: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: a column, how it compares, and with what."""

    kind: Literal["compare", "in", "null", "not-null"]
    column: str
    operator: str = "="
    values: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Join:
    """Another table, and what connects it."""

    kind: Literal["inner", "left"]
    table: str
    left: str
    operator: str
    right: str


@dataclass(slots=True)
class _Writer:
    parts: list[str] = field(default_factory=list)
    parameters: list[object] = field(default_factory=list)

    def push(self, text: str) -> None:
        self.parts.append(text)

    def bind(self, value: object) -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def finish(self) -> Statement:
        return Statement("".join(self.parts), tuple(self.parameters))


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a query was told."""

    table: str
    columns: tuple[str, ...] = ()
    joins: tuple[Join, ...] = ()
    conditions: tuple[Condition, ...] = ()
    order: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    offset: int | None = None
    with_deleted: bool = False
    every_row: bool = False

    def select(self, soft: SoftDeletable) -> Statement:
        """SELECT."""
        writer = _Writer()
        columns = ", ".join(_selected(column) for column in self.columns or ("*",))
        writer.push(f"SELECT {columns} FROM {_name(self.table)}")
        for join in self.joins:
            writer.push(self._join(join, soft))
        self._conditions(writer, soft)
        if self.order:
            order = (f"{_column(column)} {_direction(direction)}" for column, direction in self.order)
            writer.push(f" ORDER BY {', '.join(order)}")
        if self.limit is not None:
            writer.push(f" LIMIT {_rows('limit', self.limit)}")
        if self.offset is not None:
            writer.push(f" OFFSET {_rows('offset', self.offset)}")
        return writer.finish()

    def insert(self, values: Mapping[str, object]) -> Statement:
        """INSERT of one row, which gives the row back."""
        self._only("insert", plain=not self.conditions and self._is_plain())
        writer = _Writer()
        table = _name(self.table)
        if not values:
            return Statement(f"INSERT INTO {table} DEFAULT VALUES RETURNING *")
        columns = ", ".join(_name(column) for column in values)
        places = ", ".join(writer.bind(value) for value in values.values())
        writer.push(f"INSERT INTO {table} ({columns}) VALUES ({places}) RETURNING *")
        return writer.finish()

    def update(self, values: Mapping[str, object], soft: SoftDeletable) -> Statement:
        """UPDATE of the rows that the conditions choose."""
        self._check_change("update")
        if not values:
            raise BuilderError("an update needs at least one column")
        writer = _Writer()
        assignments = (f"{_name(column)} = {writer.bind(value)}" for column, value in values.items())
        writer.push(f"UPDATE {_name(self.table)} SET {', '.join(assignments)}")
        self._conditions(writer, soft)
        return writer.finish()

    def delete(self, soft: SoftDeletable) -> Statement:
        """A soft delete where the table allows it, else DELETE."""
        if not soft(self.table):
            return self.force_delete(soft)
        self._check_change("delete")
        writer = _Writer()
        writer.push(f"UPDATE {_name(self.table)} SET deleted_at = now()")
        self._conditions(writer, soft)
        return writer.finish()

    def force_delete(self, soft: SoftDeletable) -> Statement:
        """DELETE."""
        self._check_change("delete")
        writer = _Writer()
        writer.push(f"DELETE FROM {_name(self.table)}")
        self._conditions(writer, soft)
        return writer.finish()

    def _join(self, join: Join, soft: SoftDeletable) -> str:
        """A left join keeps rows without a partner, so the partner's filter belongs into its ON."""
        table = _name(join.table)
        on = f"{_column(join.left)} {_operator(join.operator)} {_column(join.right)}"
        if join.kind == "inner":
            return f" JOIN {table} ON {on}"
        if self._hides(table, soft):
            on += f" AND {table}.deleted_at IS NULL"
        return f" LEFT JOIN {table} ON {on}"

    def _conditions(self, writer: _Writer, soft: SoftDeletable) -> None:
        written = [_condition(condition, writer) for condition in self.conditions]
        inner = [join.table for join in self.joins if join.kind == "inner"]
        written += [f"{_name(table)}.deleted_at IS NULL" for table in [self.table, *inner] if self._hides(table, soft)]
        if written:
            writer.push(f" WHERE {' AND '.join(written)}")

    def _hides(self, table: str, soft: SoftDeletable) -> bool:
        return not self.with_deleted and soft(table)

    def _check_change(self, what: str) -> None:
        self._only(what, plain=self._is_plain())
        if not self.conditions and not self.every_row:
            raise BuilderError(f"{what} without a condition; say `every_row()` if that is meant")

    def _is_plain(self) -> bool:
        read = self.columns or self.joins or self.order
        return not read and self.limit is None and self.offset is None

    def _only(self, what: str, *, plain: bool) -> None:
        if not plain:
            raise BuilderError(f"{what} cannot be combined with select, join, order_by or limit")


def _condition(condition: Condition, writer: _Writer) -> str:
    column = _column(condition.column)
    match condition.kind:
        case "null":
            return f"{column} IS NULL"
        case "not-null":
            return f"{column} IS NOT NULL"
        case "in":
            places = ", ".join(writer.bind(value) for value in condition.values)
            return f"{column} IN ({places or 'NULL'})"
        case "compare":
            operator = _operator(condition.operator)
            (value,) = condition.values
            if value is None:
                reason = f"`{column}` is compared with null; use where_null or where_not_null"
                raise BuilderError(reason)
            return f"{column} {operator} {writer.bind(value)}"


def _name(name: object) -> str:
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise BuilderError(f"`{name}` is not the name of a table or column")


def _column(column: object) -> str:
    """``column`` or ``table.column``."""
    if isinstance(column, str) and "." in column:
        table, _, name = column.partition(".")
        return f"{_name(table)}.{_name(name)}"
    return _name(column)


def _selected(column: object) -> str:
    """A column, ``*`` or ``table.*``."""
    if column == "*":
        return "*"
    if isinstance(column, str) and column.endswith(".*"):
        return f"{_name(column.removesuffix('.*'))}.*"
    return _column(column)


def _operator(operator: object) -> str:
    # Only ASCII: other letters may become ASCII in lower case.
    known = isinstance(operator, str) and operator.isascii() and _OPERATORS.get(operator.lower())
    if not known:
        raise BuilderError(f"`{operator}` is not a comparison")
    return known


def _direction(direction: object) -> str:
    known = isinstance(direction, str) and direction.isascii() and _DIRECTIONS.get(direction.lower())
    if not known:
        raise BuilderError(f"`{direction}` is not an order; use `asc` or `desc`")
    return known


def _rows(what: str, number: object) -> int:
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MOST_ROWS:
        return int(number)
    raise BuilderError(f"{what} `{number}` is not a number of rows")
