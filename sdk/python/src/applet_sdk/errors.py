"""Errors: what the host refused and why, and what a hook answers when it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "BY_KIND",
    "AppletError",
    "BuilderError",
    "BusyError",
    "ConflictError",
    "ConstraintViolationError",
    "DataError",
    "DecodeError",
    "Detail",
    "HookError",
    "InternalError",
    "InvalidArgumentError",
    "LimitExceededError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "StatementRejectedError",
    "TimedOutError",
    "UnavailableError",
]


@dataclass(frozen=True, slots=True)
class Detail:
    """What happened, and what would allow it."""

    code: str
    """The stable code, for example ``table-not-allowed``."""
    message: str
    """One sentence."""
    span: tuple[int, int] | None = None
    """Where in the statement, in bytes of its UTF-8 text; the end is exclusive."""
    table: str | None = None
    """The table concerned."""
    column: str | None = None
    """The column concerned."""
    operation: str | None = None
    """The operation concerned: read, insert, update, soft-delete, hard-delete."""
    hint: str | None = None
    """What to change so that it is allowed."""
    retry_after_ms: int | None = None
    """After how many milliseconds trying again makes sense."""


class AppletError(Exception):
    """What went wrong, where, and what would allow it.

    A hook that does not catch it fails with its code and text.
    """

    kind: ClassVar[str] = "internal"
    """The family, as the host's interface names it."""

    def __init__(self, detail: Detail) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def code(self) -> str:
        """The stable code, for example ``table-not-allowed``."""
        return self.detail.code

    @property
    def message(self) -> str:
        """One sentence."""
        return self.detail.message

    @property
    def span(self) -> tuple[int, int] | None:
        """Where in the statement, in bytes of its UTF-8 text; the end is exclusive."""
        return self.detail.span

    @property
    def table(self) -> str | None:
        """The table concerned."""
        return self.detail.table

    @property
    def column(self) -> str | None:
        """The column concerned."""
        return self.detail.column

    @property
    def operation(self) -> str | None:
        """The operation concerned."""
        return self.detail.operation

    @property
    def hint(self) -> str | None:
        """What to change so that it is allowed."""
        return self.detail.hint

    @property
    def retry_after_ms(self) -> int | None:
        """After how many milliseconds trying again makes sense."""
        return self.detail.retry_after_ms

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


class PermissionDeniedError(AppletError):
    """Not granted."""

    kind = "permission-denied"


class StatementRejectedError(AppletError):
    """The statement is refused whatever is granted."""

    kind = "statement-rejected"


class InvalidArgumentError(AppletError):
    """An argument is not what the call expects."""

    kind = "invalid-argument"


class DataError(AppletError):
    """The database could not compute with these values."""

    kind = "data-error"


class LimitExceededError(AppletError):
    """A limit is reached."""

    kind = "limit-exceeded"


class ConstraintViolationError(AppletError):
    """A constraint forbids the write."""

    kind = "constraint-violation"


class ConflictError(AppletError):
    """Lost against a concurrent transaction; try again."""

    kind = "conflict"


class TimedOutError(AppletError):
    """Not finished in time; may be tried again."""

    kind = "timeout"


class BusyError(AppletError):
    """No connection is free; try again later."""

    kind = "busy"


class UnavailableError(AppletError):
    """The database or the applet is not available."""

    kind = "unavailable"


class OutcomeUnknownError(AppletError):
    """A commit was sent and its answer lost: it may or may not have happened."""

    kind = "outcome-unknown"


class InternalError(AppletError):
    """The host's fault; the message has a reference for its operator."""

    kind = "internal"


class DecodeError(AppletError):
    """A cell cannot be read as the type that was asked for, or there is no such row or column."""

    kind = "decode"

    def __init__(self, message: str) -> None:
        super().__init__(Detail("decode", message))


class BuilderError(AppletError):
    """The query builder was given something that it cannot write as SQL."""

    kind = "builder"

    def __init__(self, message: str) -> None:
        super().__init__(Detail("builder", message))


BY_KIND: dict[str, type[AppletError]] = {
    error.kind: error
    for error in (
        PermissionDeniedError,
        StatementRejectedError,
        InvalidArgumentError,
        DataError,
        LimitExceededError,
        ConstraintViolationError,
        ConflictError,
        TimedOutError,
        BusyError,
        UnavailableError,
        OutcomeUnknownError,
        InternalError,
    )
}
"""The class of each family that the host can answer with."""


class HookError(Exception):
    """What a hook answers when it fails: ``raise HookError("no-such-chat", "there is no chat 7")``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        """The applet's own code, kebab-case."""
        self.message = message
        """For people."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
