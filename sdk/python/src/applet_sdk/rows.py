"""Rows: one buffer from the host, read where it lies."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, overload

from . import cells
from .cells import ColumnType
from .errors import DecodeError
from .shapes import MisfitError, fit_columns

__all__ = ["Column", "Row", "Rows"]

T = TypeVar("T")

_LENGTH = struct.Struct("<I")
_NULL = 0xFFFF_FFFF


class Column(NamedTuple):
    """A column of a result."""

    name: str
    kind: ColumnType


class Row(Mapping[str, Any]):
    """One row: ``row["name"]``, or ``row[0]`` by place.

    A cell is read when it is asked for, so one that Python cannot hold (an infinite date) does not keep the
    others from being read. Of columns with the same name, the first is found.
    """

    __slots__ = ("_cells", "_columns", "_places")

    def __init__(self, columns: Sequence[Column], places: Mapping[str, int], raw: Sequence[bytes | None]) -> None:
        self._columns = columns
        self._places = places
        self._cells = raw

    def __getitem__(self, column: str | int) -> Any:
        """The cell; ``None`` is NULL.

        Raises ``DecodeError`` when there is no such column, or its cell does not fit into its Python type.
        """
        place = self._place(column)
        raw, (name, kind) = self._cells[place], self._columns[place]
        if raw is None:
            return None
        try:
            return cells.value(kind, raw)
        except DecodeError as error:
            reason = f"column `{name}`: {error.message}; `row.exact({name!r})` reads it as it is"
            raise DecodeError(reason) from error

    def exact(self, column: str | int) -> Any:
        """The cell as PostgreSQL has it: decimals and JSON as their text, dates and times without Python's bounds."""
        place = self._place(column)
        raw = self._cells[place]
        return None if raw is None else cells.exact(self._columns[place].kind, raw)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, column: object) -> bool:
        return column in self._places

    def __repr__(self) -> str:
        return f"<Row {', '.join(column.name for column in self._columns)}>"

    def values_by_place(self) -> tuple[Any, ...]:
        """All cells, left to right."""
        return tuple(self[place] for place in range(len(self._columns)))

    def decode(self, shape: type[T]) -> T:
        """The row as a dataclass; each field is read from the column of its name."""
        try:
            return fit_columns(self, shape)
        except MisfitError as error:
            raise DecodeError(str(error)) from error

    def to_json(self) -> dict[str, Any]:
        """The row as JSON has it; see ``Rows.to_json``."""
        written: dict[str, Any] = {}
        for (name, kind), raw in zip(self._columns, self._cells, strict=True):
            written.setdefault(name, None if raw is None else cells.to_json(kind, raw))
        return written

    def _place(self, column: str | int) -> int:
        if isinstance(column, int):
            if 0 <= column < len(self._columns):
                return column
            raise DecodeError(f"there is no column {column}")
        place = self._places.get(column)
        if place is None:
            raise DecodeError(f"there is no column `{column}`")
        return place


@dataclass(frozen=True, slots=True)
class Rows(Sequence[Row]):
    """A result."""

    columns: tuple[Column, ...]
    """The columns, left to right."""
    rows: tuple[tuple[bytes | None, ...], ...]
    """The cells, as they came."""
    truncated: bool = False
    """Whether the host left rows out because there were more than its cap."""
    affected: int = 0
    """Rows changed by a write, rows returned by a read."""
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # From the right, so that of columns with the same name the first is found.
        places = {column.name: place for place, column in reversed(list(enumerate(self.columns)))}
        ordered = {column.name: places[column.name] for column in self.columns}
        object.__setattr__(self, "_places", ordered)

    @classmethod
    def unpack(cls, columns: Sequence[Column], count: int, data: bytes, *, truncated: bool, affected: int) -> Rows:
        """Reads the host's buffer."""
        columns = tuple(columns)
        return cls(columns, tuple(_split(columns, count, data)), truncated, affected)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return [Row(self.columns, self._places, raw) for raw in self.rows[place]]
        return Row(self.columns, self._places, self.rows[place])

    def __iter__(self) -> Iterator[Row]:
        return (Row(self.columns, self._places, raw) for raw in self.rows)

    def first(self) -> Row | None:
        """The first row, or ``None``."""
        return self[0] if self.rows else None

    def scalar(self) -> Any:
        """The only value of the only row that is expected: the first cell of the first row."""
        if not self.rows:
            raise DecodeError("a row was expected, there is none")
        return self[0][0]

    def decode(self, shape: type[T]) -> list[T]:
        """All rows as this dataclass; each field is read from the column of its name."""
        return [row.decode(shape) for row in self]

    def to_json(self) -> list[dict[str, Any]]:
        """All rows as JSON has them.

        Whole numbers beyond 2^53 and decimals become texts, so that no reader loses digits.
        """
        return [row.to_json() for row in self]


def _split(columns: Sequence[Column], count: int, data: bytes) -> Iterator[tuple[bytes | None, ...]]:
    place = 0
    for _ in range(count):
        row: list[bytes | None] = []
        for column in columns:
            if place + 4 > len(data):
                raise DecodeError(f"the cells of column `{column.name}` are damaged")
            (length,) = _LENGTH.unpack_from(data, place)
            place += 4
            if length == _NULL:
                row.append(None)
                continue
            end = place + length
            if end > len(data):
                raise DecodeError(f"the cells of column `{column.name}` are damaged")
            row.append(data[place:end])
            place = end
        yield tuple(row)
