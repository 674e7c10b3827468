"""The query builder: SQL text and parameters, from names that are checked and values that stay values.

It is a convenience and no boundary: what it makes goes through the host's gate like any other statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from . import context
from .errors import DecodeError
from .sql import Condition, Join, Order, Parts, Statement

if TYPE_CHECKING:
    from .rows import Row, Rows
    from .values import Parameter

__all__ = ["Query"]


class _Absent:
    """Tells `where(column, value)` from `where(column, operator, value)`."""


_ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Query:
    """A statement on a table, while it is being put together. Each step gives a new one and leaves this as it is.

    Rows that are soft deleted are hidden unless ``with_deleted()`` is called. A mistake (a name that is none, an
    operator that does not exist) is raised as ``BuilderError`` when the statement is run.
    """

    _run: Callable[[Statement], Rows] = field(repr=False)
    _parts: Parts

    def select(self, *columns: str) -> Query:
        """The columns to read: ``id``, ``clients.id``, ``clients.*`` or ``*``. All, if this is not called."""
        return self._with(columns=self._parts.columns + columns)

    def where(self, column: str, operator: Parameter, value: Parameter | _Absent = _ABSENT) -> Query:
        """Only rows whose column compares so: ``where("age", ">", 30)``, or ``where("id", 7)`` for ``=``.

        Operators are ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``like`` and ``ilike`` (and both after ``not``).
        ``where("phone", None)`` means NULL.
        """
        if not isinstance(value, _Absent):
            # What is no text is no operator either; the writer says so.
            return self._condition(Condition("compare", column, str(operator), (value,)))
        if operator is None:
            return self.where_null(column)
        return self._condition(Condition("compare", column, "=", (operator,)))

    def where_in(self, column: str, values: Iterable[Parameter]) -> Query:
        """Only rows whose column has one of these values; with no values, no rows."""
        return self._condition(Condition("in", column, values=tuple(values)))

    def where_null(self, column: str) -> Query:
        """Only rows whose column is NULL."""
        return self._condition(Condition("null", column))

    def where_not_null(self, column: str) -> Query:
        """Only rows whose column is not NULL."""
        return self._condition(Condition("not-null", column))

    def join(self, table: str, left: str, operator: str, right: str) -> Query:
        """Only with rows of another table that match.

        ``join("chats", "chat_messages.chat_id", "=", "chats.id")``
        """
        return self._with(joins=(*self._parts.joins, Join("inner", table, left, operator, right)))

    def left_join(self, table: str, left: str, operator: str, right: str) -> Query:
        """With rows of another table that match, or with nulls."""
        return self._with(joins=(*self._parts.joins, Join("left", table, left, operator, right)))

    def order_by(self, column: str, order: Order = "asc") -> Query:
        """Sorted by this column, after the columns that were given before."""
        return self._with(order=(*self._parts.order, (column, order)))

    def limit(self, rows: int) -> Query:
        """At most so many rows. The host has a cap of its own."""
        return self._with(limit=rows)

    def offset(self, rows: int) -> Query:
        """Without the first so many rows."""
        return self._with(offset=rows)

    def with_deleted(self) -> Query:
        """Soft-deleted rows as well."""
        return self._with(with_deleted=True)

    def every_row(self) -> Query:
        """Says that an update or delete without a condition is meant."""
        return self._with(every_row=True)

    def get(self) -> Rows:
        """Reads the rows."""
        return self._run(self._parts.select(context.soft_deletable))

    def first(self) -> Row | None:
        """Reads the first row, or ``None``."""
        return self.limit(1).get().first()

    def insert(self, values: Mapping[str, Parameter] | None = None, /, **columns: Parameter) -> Row:
        """Adds a row, and gives it back as it was stored: with its key and defaults, as far as it may be read.

        ``insert(name="Ada")`` and ``insert({"name": "Ada"})`` are the same.
        """
        stored = self._run(self._parts.insert({**(values or {}), **columns})).first()
        if stored is None:
            raise DecodeError("the write gave no row back")
        return stored

    def update(self, values: Mapping[str, Parameter] | None = None, /, **columns: Parameter) -> int:
        """Changes the rows that the conditions choose, and says how many. Without a condition, see ``every_row``."""
        assignments = {**(values or {}), **columns}
        return self._run(self._parts.update(assignments, context.soft_deletable)).affected

    def delete(self) -> int:
        """Deletes the rows that the conditions choose, and says how many: softly where the table allows it."""
        return self._run(self._parts.delete(context.soft_deletable)).affected

    def force_delete(self) -> int:
        """Removes the rows that the conditions choose for good, and says how many. Needs the hard-delete grant."""
        return self._run(self._parts.force_delete(context.soft_deletable)).affected

    def _condition(self, condition: Condition) -> Query:
        return self._with(conditions=(*self._parts.conditions, condition))

    def _with(self, **changes: object) -> Query:
        return replace(self, _parts=replace(self._parts, **changes))  # type: ignore[arg-type]
