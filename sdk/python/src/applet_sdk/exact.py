"""Dates, times and intervals as PostgreSQL has them.

Python's ``datetime`` knows the years 1 to 9999 and nothing infinite, and its ``timedelta`` has no months. What
does not fit there is read as one of these. Their text is what PostgreSQL reads, so a value can be handed back
as a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ExactDate", "ExactTime", "ExactTimestamp", "Interval"]

MICROS_PER_SECOND = 1_000_000
MICROS_PER_DAY = 86_400 * MICROS_PER_SECOND

_INT32 = (-(1 << 31), (1 << 31) - 1)
_INT64 = (-(1 << 63), (1 << 63) - 1)


@dataclass(frozen=True, slots=True, order=True)
class ExactDate:
    """A calendar day."""

    days: int
    """Days since 1970-01-01. The smallest and largest 32-bit numbers are -infinity and infinity."""

    @property
    def is_infinite(self) -> bool:
        """Whether it is before or after all days."""
        return self.days in _INT32

    def __str__(self) -> str:
        if self.is_infinite:
            return _infinity(self.days)
        day, era = _day(self.days)
        return day + era


@dataclass(frozen=True, slots=True, order=True)
class ExactTime:
    """A time of day; PostgreSQL has 24:00:00 as well."""

    microseconds: int
    """Microseconds since midnight."""

    def __str__(self) -> str:
        return _clock(self.microseconds)


@dataclass(frozen=True, slots=True, order=True)
class ExactTimestamp:
    """A moment (``timestamptz``), or a date and time without zone (``timestamp``)."""

    microseconds: int
    """Microseconds since 1970-01-01T00:00. The smallest and largest 64-bit numbers are -infinity and infinity."""
    zoned: bool = True
    """Whether it is a moment; its microseconds count in UTC."""

    @property
    def is_infinite(self) -> bool:
        """Whether it is before or after all moments."""
        return self.microseconds in _INT64

    def __str__(self) -> str:
        """RFC 3339, followed by BC for years before the first."""
        if self.is_infinite:
            return _infinity(self.microseconds)
        days, micros = divmod(self.microseconds, MICROS_PER_DAY)
        day, era = _day(days)
        return f"{day}T{_clock(micros)}{'Z' if self.zoned else ''}{era}"


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time, in the three parts that PostgreSQL keeps apart."""

    months: int = 0
    days: int = 0
    microseconds: int = 0

    def __str__(self) -> str:
        """PostgreSQL reads this form whatever its settings."""
        return f"{self.months} months {self.days} days {self.microseconds} microseconds"


def _infinity(number: int) -> str:
    return "infinity" if number > 0 else "-infinity"


def _day(days_since_1970: int) -> tuple[str, str]:
    """The proleptic Gregorian day, by eras of 400 years; and the era's name if it is not the common one."""
    era, day_of_era = divmod(days_since_1970 + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (month <= 2)
    if year > 0:
        return f"{year:04}-{month:02}-{day:02}", ""
    return f"{1 - year:04}-{month:02}-{day:02}", " BC"


def _clock(micros: int) -> str:
    seconds, fraction = divmod(micros, MICROS_PER_SECOND)
    text = f"{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}" if fraction else text
