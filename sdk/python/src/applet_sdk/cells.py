"""How packed cells become Python values; the format is in the host's interface (``types.wit``).

Nothing is converted silently: what a Python type cannot hold is an error that says so, and can be read exactly.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from . import json_text
from .errors import DecodeError
from .exact import MICROS_PER_DAY, ExactDate, ExactTime, ExactTimestamp, Interval

__all__ = ["ColumnType", "exact", "to_json", "value"]

_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_EXACT_IN_JSON = 1 << 53


class ColumnType(StrEnum):
    """How to read the cells of a column."""

    BOOLEAN = "boolean"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    NUMERIC = "numeric"
    TEXT = "text"
    BYTES = "bytes"
    UUID = "uuid"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    INTERVAL = "interval"
    JSON = "json"
    ARRAY = "array"


def _number(layout: str) -> Callable[[bytes], Any]:
    unpack = struct.Struct(f"<{layout}").unpack
    return lambda raw: unpack(raw)[0]


def _boolean(raw: bytes) -> bool:
    (byte,) = raw
    return byte != 0


def _uuid(raw: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=raw)


_INT32 = _number("i")
_INT64 = _number("q")
_INTERVAL = struct.Struct("<iiq")

_EXACT: dict[ColumnType, Callable[[bytes], Any]] = {
    ColumnType.BOOLEAN: _boolean,
    ColumnType.INT16: _number("h"),
    ColumnType.INT32: _INT32,
    ColumnType.INT64: _INT64,
    ColumnType.FLOAT32: _number("f"),
    ColumnType.FLOAT64: _number("d"),
    ColumnType.NUMERIC: bytes.decode,
    ColumnType.TEXT: bytes.decode,
    ColumnType.BYTES: bytes,
    ColumnType.UUID: _uuid,
    ColumnType.DATE: lambda raw: ExactDate(_INT32(raw)),
    ColumnType.TIME: lambda raw: ExactTime(_INT64(raw)),
    ColumnType.TIMESTAMP: lambda raw: ExactTimestamp(_INT64(raw), zoned=False),
    ColumnType.TIMESTAMPTZ: lambda raw: ExactTimestamp(_INT64(raw), zoned=True),
    ColumnType.INTERVAL: lambda raw: Interval(*_INTERVAL.unpack(raw)),
    ColumnType.JSON: bytes.decode,
    ColumnType.ARRAY: bytes.decode,
}


def exact(kind: ColumnType, raw: bytes) -> Any:
    """The cell as PostgreSQL has it: decimals and JSON as their text, dates and times without Python's bounds.

    Raises ``DecodeError`` when the bytes are no such cell.
    """
    return _read(_EXACT[kind], kind, raw)


def value(kind: ColumnType, raw: bytes) -> Any:
    """The cell as the Python type that people expect.

    Raises ``DecodeError`` when that cannot hold it.
    """
    return _read(_VALUE[kind], kind, raw)


def _read(how: Callable[[bytes], Any], kind: ColumnType, raw: bytes) -> Any:
    try:
        return how(raw)
    except (struct.error, ValueError) as error:
        raise DecodeError(f"a cell of type {kind} is damaged") from error


def _decimal(cell: str) -> Decimal:
    try:
        return Decimal(cell)
    except InvalidOperation as error:
        raise DecodeError("a decimal is damaged") from error


def _date(cell: ExactDate) -> date:
    # Checked first: `fromordinal` takes no more than a C int.
    ordinal = cell.days + _EPOCH_DAY
    if not date.min.toordinal() <= ordinal <= date.max.toordinal():
        raise DecodeError(f"{cell} is no `date` of Python, which knows the years 1 to 9999")
    return date.fromordinal(ordinal)


def _time(cell: ExactTime) -> time:
    if not 0 <= cell.microseconds < MICROS_PER_DAY:
        raise DecodeError(f"{cell} is no `time` of Python, whose day ends before 24:00")
    return (_EPOCH + timedelta(microseconds=cell.microseconds)).time()


def _timestamp(micros: int, *, zoned: bool) -> datetime:
    try:
        return (_EPOCH_UTC if zoned else _EPOCH) + timedelta(microseconds=micros)
    except OverflowError as error:
        cell = ExactTimestamp(micros, zoned=zoned)
        raise DecodeError(f"{cell} is no `datetime` of Python, which knows the years 1 to 9999") from error


def _timedelta(cell: Interval) -> timedelta:
    if cell.months:
        raise DecodeError(f"an interval with months ({cell}) is no `timedelta`")
    try:
        return timedelta(days=cell.days, microseconds=cell.microseconds)
    except OverflowError as error:
        raise DecodeError(f"{cell} is more than a `timedelta` can hold") from error


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise DecodeError("a number in JSON is larger than a `float` can hold")
    return number


def _read_json(text: str) -> Any:
    try:
        return json_text.read(text, parse_float=_float)
    except ValueError as error:
        raise DecodeError(f"a cell's JSON cannot be read: {error}") from error


_VALUE: dict[ColumnType, Callable[[bytes], Any]] = {
    **_EXACT,
    ColumnType.NUMERIC: lambda raw: _decimal(raw.decode()),
    ColumnType.DATE: lambda raw: _date(ExactDate(_INT32(raw))),
    ColumnType.TIME: lambda raw: _time(ExactTime(_INT64(raw))),
    ColumnType.TIMESTAMP: lambda raw: _timestamp(_INT64(raw), zoned=False),
    ColumnType.TIMESTAMPTZ: lambda raw: _timestamp(_INT64(raw), zoned=True),
    ColumnType.INTERVAL: lambda raw: _timedelta(Interval(*_INTERVAL.unpack(raw))),
    ColumnType.JSON: lambda raw: _read_json(raw.decode()),
    ColumnType.ARRAY: lambda raw: _read_json(raw.decode()),
}


def to_json(kind: ColumnType, raw: bytes) -> Any:
    """The cell as JSON has it.

    Whole numbers beyond 2^53 and decimals become texts, so that no reader loses digits; so do NaN and
    infinities.
    """
    cell = exact(kind, raw)
    match cell:
        case bool():
            return cell
        case int():
            return cell if abs(cell) <= _EXACT_IN_JSON else str(cell)
        case float():
            return cell if abs(cell) < float("inf") else str(Decimal(cell))
        case bytes():
            return f"\\x{cell.hex()}"
        case str():
            return _read_json(cell) if kind in (ColumnType.JSON, ColumnType.ARRAY) else cell
        case _:
            return str(cell)
