"""A calendar month, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from applet_sdk import HookError

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month, in UTC."""

    year: int
    number: int

    @classmethod
    def read(cls, text: str | None) -> Month:
        """``2026-11``; without a text, the current month."""
        if text is None:
            now = datetime.now(UTC)
            return cls(now.year, now.month)
        found = _MONTH.fullmatch(text)
        # Python's calendar begins with the year 1, and December 9999 has no month after it.
        if found is None or not 1 <= int(found[1]) < datetime.max.year:
            raise HookError("bad-month", f"`{text}` is not a month; write it as 2026-11")
        return cls(int(found[1]), int(found[2]))

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The first moment of it, and that of the month after it."""
        years, number = divmod(self.number, 12)
        begin = datetime(self.year, self.number, 1, tzinfo=UTC)
        return begin, datetime(self.year + years, number + 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"
