"""Fits JSON and rows to what a function or dataclass says that it takes, and writes answers as JSON."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
import uuid
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

__all__ = ["MisfitError", "fit", "fit_columns", "to_json_text"]

T = TypeVar("T")


class MisfitError(Exception):
    """A value is not what is asked for. Its text says where and why."""


def fit(value: Any, wanted: Any, where: str = "the payload") -> Any:
    """The value as the type that is wanted, or ``MisfitError``.

    Dataclasses are made from mappings; ``Decimal``, ``UUID``, dates and times from their text. Whole numbers
    are taken for floats; no other conversion is made.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any or wanted is object:
        return value
    if wanted is None or wanted is type(None):
        return _expect(value, value is None, "null", where)
    if origin is typing.Annotated:
        return fit(value, arguments[0], where)
    if origin in (typing.Union, types.UnionType):
        return _fit_any(value, arguments, where)
    if origin is typing.Literal:
        return _expect(value, value in arguments, f"one of {', '.join(map(repr, arguments))}", where)
    if origin in (list, typing.get_origin(typing.Sequence[Any])):
        _expect(value, isinstance(value, list), "a list", where)
        return [fit(each, arguments[0], f"{where}[{place}]") for place, each in enumerate(value)]
    if origin in (dict, typing.get_origin(typing.Mapping[str, Any])):
        _expect(value, isinstance(value, dict), "an object", where)
        return {key: fit(each, arguments[1], f"{where}.{key}") for key, each in value.items()}
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        return _fit_dataclass(value, wanted, where)
    return _fit_plain(value, wanted, where)


def fit_columns(row: Mapping[str, Any], shape: type[T]) -> T:
    """A row as a dataclass; columns that it does not have are not read."""
    if not dataclasses.is_dataclass(shape):
        raise MisfitError(f"`{shape.__name__}` is not a dataclass")
    hints = typing.get_type_hints(shape)
    given = {}
    for field in dataclasses.fields(shape):
        if not field.init:
            continue
        if field.name not in row:
            if _has_default(field):
                continue
            raise MisfitError(f"there is no column `{field.name}`")
        given[field.name] = fit(row[field.name], hints[field.name], f"column `{field.name}`")
    return typing.cast("T", shape(**given))


def to_json_text(answer: Any) -> str:
    """An answer as JSON text.

    Raises ``TypeError`` or ``ValueError`` when it cannot be written.
    """
    text = json.dumps(answer, default=_plain, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half of a character came in as an escape, and has to go out as one.
        text = json.dumps(answer, default=_plain, allow_nan=False)
    return text


def _plain(value: Any) -> Any:
    """What ``json`` does not know."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: getattr(value, field.name) for field in fields}
    if isinstance(value, Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return f"\\x{value.hex()}"
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a `{type(value).__name__}` cannot be written as JSON")


def _expect(value: Any, fits: object, what: str, where: str) -> Any:
    if fits:
        return value
    given = "null" if value is None else _NAMES.get(type(value), type(value).__name__)
    raise MisfitError(f"{where} has to be {what}, it is {given}")


def _fit_any(value: Any, wanted: tuple[Any, ...], where: str) -> Any:
    reasons = []
    for each in wanted:
        if each is type(None) and value is None:
            return None
        try:
            return fit(value, each, where)
        except MisfitError as error:
            reasons.append(str(error))
    # The reason for null is the least telling one.
    raise MisfitError(reasons[0])


def _fit_dataclass(value: Any, wanted: type, where: str) -> Any:
    if isinstance(value, wanted):
        return value
    _expect(value, isinstance(value, dict), "an object", where)
    hints = typing.get_type_hints(wanted)
    fields = {field.name: field for field in dataclasses.fields(wanted) if field.init}
    unknown = next((key for key in value if key not in fields), None)
    if unknown is not None:
        raise MisfitError(f"{where} has a key `{unknown}` that is not known")
    given = {}
    for name, field in fields.items():
        if name in value:
            given[name] = fit(value[name], hints[name], f"{where}.{name}")
        elif not _has_default(field):
            raise MisfitError(f"{where} lacks `{name}`")
    return wanted(**given)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _fit_plain(value: Any, wanted: Any, where: str) -> Any:
    if not isinstance(wanted, type):
        raise MisfitError(f"{where} is asked for as `{wanted}`, which cannot be checked")
    what = _NAMES.get(wanted, f"`{wanted.__name__}`")
    number = isinstance(value, int) and not isinstance(value, bool)
    if wanted is int:
        return _expect(value, number, what, where)
    if wanted is float:
        return float(_expect(value, number or isinstance(value, float), what, where))
    # A moment is no day, though Python's `datetime` is a `date`.
    if isinstance(value, wanted) and not (wanted is date and isinstance(value, datetime)):
        return value
    read = _READERS.get(wanted)
    if read is None or not (isinstance(value, str) or (wanted is Decimal and number)):
        return _expect(value, None, what, where)
    try:
        return read(value)
    except (ValueError, InvalidOperation):
        return _expect(value, None, what, where)


_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
    Decimal: "a decimal",
    uuid.UUID: "a UUID",
    date: "a day (2026-01-31)",
    datetime: "a moment (2026-01-31T12:00:00Z)",
    time: "a time of day (12:00:00)",
}

_READERS: dict[type, typing.Callable[[Any], Any]] = {
    Decimal: Decimal,
    uuid.UUID: uuid.UUID,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
}
