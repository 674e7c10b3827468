"""Bind parameters: Python values as the host's interface takes them. Pure: nothing here asks the host."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from . import json_text
from .errors import BuilderError
from .exact import ExactDate, ExactTime, ExactTimestamp, Interval

__all__ = ["Encoded", "Json", "Parameter", "encode", "utf8"]

Parameter: TypeAlias = (
    "bool | int | float | Decimal | str | bytes | bytearray | uuid.UUID | datetime | date | time | timedelta"
    " | ExactDate | ExactTime | ExactTimestamp | Interval | Json | Mapping[str, Any] | Sequence[Any] | None"
)
"""What can be bound to ``$1``…``$n``. PostgreSQL says which type each one has; the value has to fit it."""

Encoded: TypeAlias = tuple[str, Any]
"""A case of the interface's ``value``, and what it holds."""

_INT64_MIN = -(1 << 63)
_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Json:
    """JSON text, for ``json`` and ``jsonb``.

    Mappings and lists become JSON by themselves; ``Json.of`` is for JSON that is a text, a number or null.
    """

    text: str

    @classmethod
    def of(cls, value: object) -> Json:
        """The value, written as JSON."""
        try:
            return cls(json.dumps(value, ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise BuilderError(f"a parameter cannot be written as JSON: {error}") from error

    def read(self) -> Any:
        """The value that the text says."""
        return json_text.read(self.text)


def encode(value: object) -> Encoded:
    """A parameter as a case of the interface's ``value``.

    Whole numbers beyond 64 bits go as text, which PostgreSQL reads exactly as ``numeric``; so do decimals,
    dates and times.
    """
    match value:
        case None:
            return ("null", None)
        case bool():
            return ("boolean", value)
        case int():
            fits = _INT64_MIN <= value <= _INT64_MAX
            return ("integer", int(value)) if fits else ("text", str(int(value)))
        case float():
            return ("float", float(value))
        case str():
            return ("text", utf8(str(value)))
        case bytes() | bytearray() | memoryview():
            return ("bytes", bytes(value))
        case Json():
            return ("json", utf8(value.text))
        case Mapping():
            return ("json", utf8(Json.of(dict(value)).text))
        case list() | tuple():
            return ("json", utf8(Json.of(value).text))
        case _:
            return ("text", _written(value))


def _written(value: object) -> str:
    """A value as PostgreSQL's text for its type."""
    match value:
        case Decimal():
            if value.is_snan():
                raise BuilderError("a signalling NaN cannot be stored")
            return "NaN" if value.is_nan() else str(value)
        case uuid.UUID() | ExactDate() | ExactTime() | ExactTimestamp() | Interval():
            return str(value)
        case datetime():
            return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
        case date():
            return value.isoformat()
        case time():
            if value.tzinfo is not None:
                raise BuilderError("a time of day with a zone cannot be stored without losing the zone")
            return value.isoformat()
        case timedelta():
            micros = value.seconds * 1_000_000 + value.microseconds
            return str(Interval(0, value.days, micros))
        case _:
            raise BuilderError(f"a `{type(value).__name__}` cannot be a parameter")


def utf8(text: str) -> str:
    """The text, if the host can take it: Python's texts may hold half of a character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BuilderError("a text holds a lone surrogate, which is no character") from error
    return text
