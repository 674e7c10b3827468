"""The border to the host: the bindings that ``componentize-py`` makes of the interface, and nothing else.

Outside a component there is no host. Then everything here can be imported, so that tests and type checkers can
read an applet, and whatever would call the host says why it cannot.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from .cells import ColumnType
from .errors import BY_KIND, AppletError, Detail, HookError, InternalError
from .rows import Column, Rows
from .values import encode, utf8

T = TypeVar("T")


class _NoHost:
    """Stands for the bindings where there are none."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("there is no host here: this runs inside a component, when a hook is called")


def _bindings(interface: str) -> Any:
    try:
        return importlib.import_module(f"wit_world.imports.{interface}")
    except ModuleNotFoundError:
        return _NoHost()


context = _bindings("context")
_db = _bindings("db")
_hook_types = _bindings("hook_types")
_log = _bindings("log")
_types = _bindings("types")


class _NoError(Exception):
    value: Any = None


def _error_class() -> Any:
    try:
        return importlib.import_module("componentize_py_types").Err
    except ModuleNotFoundError:
        return _NoError


_Err: Any = _error_class()


def _class_name(kind: str) -> str:
    """``permission-denied`` as bindings write it: ``PermissionDenied``."""
    return "".join(word.capitalize() for word in kind.split("-"))


_KINDS = {f"Error_{_class_name(kind)}": error for kind, error in BY_KIND.items()}


def call(function: Callable[..., T], *arguments: Any) -> T:
    """Calls the host; what it refuses is raised as an ``AppletError``."""
    try:
        return function(*arguments)
    except _Err as error:
        # Without the bindings' own error, which says the same worse.
        raise _error(error.value) from None


def _error(error: Any) -> AppletError:
    detail = error.value
    span = None if detail.span is None else (detail.span.start, detail.span.end)
    kind = _KINDS.get(type(error).__name__, InternalError)
    return kind(
        Detail(
            detail.code,
            detail.message,
            span,
            detail.table,
            detail.column,
            detail.operation,
            detail.hint,
            detail.retry_after_ms,
        )
    )


def failure(error: HookError) -> Exception:
    """A hook's error as the bindings raise it."""
    failed: Exception = _Err(_hook_types.HookError(error.code, error.message))
    return failed


def write_log(level: str, message: str) -> None:
    """One line."""
    # Half of a character is no text for the host; a log line is not worth an error.
    text = message.encode(errors="backslashreplace").decode()
    _log.write(_log.Level[level.upper()], text)


def parameters(values: Sequence[object]) -> list[Any]:
    """Bind parameters as the bindings take them."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise TypeError("parameters are a list: `[value]`, not `value`")
    return [_value(*encode(value)) for value in values]


def _value(kind: str, held: Any) -> Any:
    case = getattr(_types, f"Value_{_class_name(kind)}")
    return case() if kind == "null" else case(held)


def query(source: Any, sql: str, values: Sequence[object]) -> Rows:
    """Runs a statement in the database or in a transaction."""
    encoding = _types.Encoding.PACKED
    return _rows(call(source.query, utf8(sql), parameters(values), encoding))


def query_json(source: Any, sql: str, values: Sequence[object]) -> tuple[Any, str]:
    """Runs a statement; its rows as the JSON text that the host wrote."""
    encoding = _types.Encoding.JSON
    rows = call(source.query, utf8(sql), parameters(values), encoding)
    return rows, rows.data.decode()


def execute(source: Any, sql: str, values: Sequence[object]) -> int:
    """Runs a statement; the number of rows that it changed."""
    return int(call(source.execute, utf8(sql), parameters(values)))


def batch(statements: Iterable[tuple[str, Sequence[object]]]) -> list[Rows]:
    """Runs statements, all or none."""
    wanted = [_db.Statement(utf8(sql), parameters(values)) for sql, values in statements]
    return [_rows(rows) for rows in call(_db.batch, wanted, _types.Encoding.PACKED)]


def database() -> Any:
    """What runs statements outside of transactions."""
    return _db


def columns(rows: Any) -> tuple[Column, ...]:
    """A result's columns."""
    return tuple(Column(column.name, ColumnType[column.kind.name]) for column in rows.columns)


def _rows(rows: Any) -> Rows:
    return Rows.unpack(columns(rows), rows.count, rows.data, truncated=rows.truncated, affected=rows.affected)
