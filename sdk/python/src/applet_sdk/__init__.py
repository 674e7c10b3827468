"""Write applets in Python.

An applet is a WebAssembly component whose hooks the host calls. It reaches nothing but the database, a log and a
clock, and of the database only the rows of the tenant that it is called for, in the tables that its manifest asks
for and an admin granted.

    from applet_sdk import db, hook

    @hook("newest")
    def newest(limit: int):
        return db.table("clients").select("id", "first_name").order_by("created_at", "desc").limit(limit).get()

Start at ``db`` for statements and transactions, ``db.table`` for the query builder, and ``hook`` for hooks.
``python -m applet_sdk.build`` makes the component.
"""

from __future__ import annotations

from . import context, db, log
from .builder import Query
from .cells import ColumnType
from .errors import (
    AppletError,
    BuilderError,
    BusyError,
    ConflictError,
    ConstraintViolationError,
    DataError,
    DecodeError,
    HookError,
    InternalError,
    InvalidArgumentError,
    LimitExceededError,
    OutcomeUnknownError,
    PermissionDeniedError,
    StatementRejectedError,
    TimedOutError,
    UnavailableError,
)
from .exact import ExactDate, ExactTime, ExactTimestamp, Interval
from .hooks import hook, on_disable, on_enable, on_install, on_uninstall, on_upgrade
from .rows import Column, Row, Rows
from .values import Json, Parameter

__all__ = [
    "AppletError",
    "BuilderError",
    "BusyError",
    "Column",
    "ColumnType",
    "ConflictError",
    "ConstraintViolationError",
    "DataError",
    "DecodeError",
    "ExactDate",
    "ExactTime",
    "ExactTimestamp",
    "HookError",
    "InternalError",
    "Interval",
    "InvalidArgumentError",
    "Json",
    "LimitExceededError",
    "OutcomeUnknownError",
    "Parameter",
    "PermissionDeniedError",
    "Query",
    "Row",
    "Rows",
    "StatementRejectedError",
    "TimedOutError",
    "UnavailableError",
    "context",
    "db",
    "hook",
    "log",
    "on_disable",
    "on_enable",
    "on_install",
    "on_uninstall",
    "on_upgrade",
]
