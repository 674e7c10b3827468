"""The database: statements, batches, transactions, and the query builder.

Every statement is parsed by the host, checked against what was granted, and scoped to the tenant that the hook
is called for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from . import _host
from .builder import Query
from .errors import AppletError, BuilderError
from .rows import Column, Rows
from .sql import Parts, Statement
from .values import Parameter

__all__ = ["JsonRows", "Transaction", "batch", "execute", "query", "query_json", "table", "transaction"]


@dataclass(frozen=True, slots=True)
class JsonRows:
    """A result whose rows are JSON text: an array of rows, each an array of values.

    Numbers beyond 2^53, decimals, NaN and infinities are texts in it.
    """

    columns: tuple[Column, ...]
    text: str
    count: int
    truncated: bool
    affected: int


def query(sql: str, params: Sequence[Parameter] = ()) -> Rows:
    """Runs one statement with its parameters ``$1``…``$n`` and gives its rows."""
    return _host.query(_host.database(), sql, params)


def query_json(sql: str, params: Sequence[Parameter] = ()) -> JsonRows:
    """Runs one statement and gives its rows as JSON text: the quickest way to many rows."""
    rows, text = _host.query_json(_host.database(), sql, params)
    return JsonRows(_host.columns(rows), text, rows.count, rows.truncated, rows.affected)


def execute(sql: str, params: Sequence[Parameter] = ()) -> int:
    """Runs one statement and gives the number of rows that it changed."""
    return _host.execute(_host.database(), sql, params)


def batch(statements: Iterable[str | tuple[str, Sequence[Parameter]]]) -> list[Rows]:
    """Runs several statements in one transaction: all take effect, or none.

    ``batch(["SELECT 1", ("UPDATE clients SET status = $1", ["lead"])])``
    """
    return _host.batch((each, ()) if isinstance(each, str) else each for each in statements)


def table(name: str) -> Query:
    """Starts a statement on a table."""
    return Query(_run, Parts(name))


def transaction() -> Transaction:
    """Opens a transaction: ``with db.transaction() as tx:`` commits at the end, and rolls back on an exception."""
    return Transaction(_host.call(_host.database().begin))


def _run(statement: Statement) -> Rows:
    return query(statement.sql, statement.parameters)  # type: ignore[arg-type]


class Transaction:
    """An open transaction. It holds one connection until it ends."""

    __slots__ = ("_open",)

    def __init__(self, handle: Any) -> None:
        self._open: Any = handle

    def query(self, sql: str, params: Sequence[Parameter] = ()) -> Rows:
        """Runs one statement inside. After an error the transaction can only be rolled back."""
        return _host.query(self._handle(), sql, params)

    def execute(self, sql: str, params: Sequence[Parameter] = ()) -> int:
        """Runs one statement inside and gives the number of rows that it changed."""
        return _host.execute(self._handle(), sql, params)

    def table(self, name: str) -> Query:
        """Starts a statement on a table, inside."""
        return Query(self._run, Parts(name))

    def commit(self) -> None:
        """Makes it all permanent.

        Raises ``OutcomeUnknownError`` when it may have happened but the answer was lost.
        """
        handle = self._handle()
        self._open = None
        _host.call(type(handle).commit, handle)

    def rollback(self) -> None:
        """Undoes it all."""
        handle = self._handle()
        self._open = None
        _host.call(type(handle).rollback, handle)

    def drop(self) -> None:
        """Lets go of it, which undoes it all, and asks for no answer."""
        if self._open is not None:
            handle, self._open = self._open, None
            handle.__exit__(None, None, None)

    def __enter__(self) -> Transaction:
        self._handle()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open is None:
            return
        if kind is None:
            self.commit()
            return
        try:
            self.rollback()
        except AppletError:
            # The connection broke, so it is undone as well; what led here is what matters.
            return

    def _run(self, statement: Statement) -> Rows:
        return self.query(statement.sql, statement.parameters)  # type: ignore[arg-type]

    def _handle(self) -> Any:
        if self._open is None:
            raise BuilderError("the transaction has ended")
        return self._open
