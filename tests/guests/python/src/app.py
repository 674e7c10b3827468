"""What an applet may rely on, one hook each; the other languages' guests do the same."""

import itertools
import os
import struct
from collections.abc import Iterable
from typing import Any

from applet_sdk import (
    AppletError,
    HookError,
    Json,
    Rows,
    context,
    db,
    hook,
    log,
    on_disable,
    on_enable,
    on_install,
    on_uninstall,
    on_upgrade,
)


def parameter(given: dict[str, Any]) -> Any:
    """One bind parameter: an object with one key, its kind."""
    ((kind, value),) = given.items()
    match kind:
        case "integer":
            return int(value)
        case "float":
            return struct.unpack(">d", bytes.fromhex(value))[0]
        case "bytes":
            return bytes.fromhex(value)
        case "json":
            return Json(value)
        case _:
            return value


def parameters(given: dict[str, Any]) -> list[Any]:
    """Bind parameters of a statement."""
    return [parameter(each) for each in given.get("parameters", [])]


def cell(kind: str, value: Any) -> Any:
    """A packed cell, read by the SDK, exactly."""
    if value is None:
        return None
    match kind:
        case "int64":
            return str(value)
        case "float32":
            return struct.pack(">f", value).hex()
        case "float64":
            return struct.pack(">d", value).hex()
        case "bytes":
            return value.hex()
        case "uuid":
            return str(value)
        case "date":
            return str(value.days)
        case "time" | "timestamp" | "timestamptz":
            return str(value.microseconds)
        case "interval":
            return f"{value.months} {value.days} {value.microseconds}"
        case _:
            return value


def result(rows: Rows) -> dict[str, Any]:
    """A result."""
    kinds = [str(column.kind) for column in rows.columns]
    return {
        "columns": [[column.name, str(column.kind)] for column in rows.columns],
        "rows": [[cell(kind, row.exact(place)) for place, kind in enumerate(kinds)] for row in rows],
        "count": len(rows),
        "truncated": rows.truncated,
        "affected": rows.affected,
    }


def refusal(error: AppletError) -> dict[str, Any]:
    """What an applet sees of an error."""
    return {
        "error": {
            "kind": error.kind,
            "code": error.code,
            "message": error.message,
            "span": error.span,
            "table": error.table,
            "column": error.column,
            "operation": error.operation,
            "hint": error.hint,
            "retry_after_ms": error.retry_after_ms,
        }
    }


@hook
def echo(payload: Any) -> Any:
    """Anything, unchanged."""
    return payload


@hook
def query(payload: dict[str, Any]) -> dict[str, Any]:
    """One statement, packed or as JSON."""
    try:
        if payload.get("encoding") != "json":
            return result(db.query(payload["sql"], parameters(payload)))
        rows = db.query_json(payload["sql"], parameters(payload))
    except AppletError as error:
        return refusal(error)
    return {
        "columns": [[column.name, str(column.kind)] for column in rows.columns],
        "rows": Json(rows.text).read(),
        "count": rows.count,
        "truncated": rows.truncated,
        "affected": rows.affected,
    }


@hook
def execute(payload: dict[str, Any]) -> dict[str, Any]:
    """One statement that changes rows."""
    try:
        return {"affected": db.execute(payload["sql"], parameters(payload))}
    except AppletError as error:
        return refusal(error)


@hook
def batch(payload: dict[str, Any]) -> dict[str, Any]:
    """Several statements, all or none."""
    statements = [(each["sql"], parameters(each)) for each in payload["statements"]]
    try:
        return {"results": [result(rows) for rows in db.batch(statements)]}
    except AppletError as error:
        return refusal(error)


def answers(transaction: db.Transaction, statements: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """The statements' results; goes on after one that failed."""
    for each in statements:
        try:
            yield result(transaction.query(each["sql"], parameters(each)))
        except AppletError as error:
            yield refusal(error)


@hook
def transaction(payload: dict[str, Any]) -> dict[str, Any]:
    """A transaction that ends as the caller chooses."""
    try:
        opened = db.transaction()
    except AppletError as error:
        return refusal(error)
    results = list(answers(opened, payload["statements"]))
    end = {"commit": opened.commit, "rollback": opened.rollback, "drop": opened.drop}[payload["end"]]
    try:
        end()
    except AppletError as error:
        return {"results": results, "end": refusal(error)}
    return {"results": results, "end": None}


@hook("context")
def invocation() -> dict[str, Any]:
    """The invocation as the applet sees it."""
    call = context.current()
    return {
        "request_id": call.request_id,
        "tenant_id": call.tenant_id,
        "workspace_id": call.workspace_id,
        "user_id": call.user_id,
        "locale": call.locale,
        "applet_id": call.applet_id,
        "applet_version": call.applet_version,
        "permissions": [
            {"table": each.table, "operations": each.operations, "soft_deletable": each.soft_deletable}
            for each in call.permissions
        ],
    }


@hook("log")
def write_log(payload: dict[str, str]) -> None:
    """One line."""
    levels = {"debug": log.debug, "info": log.info, "warn": log.warn, "error": log.error}
    levels[payload["level"]](payload["message"])


@hook
def fail(payload: dict[str, str]) -> None:
    """An error of the applet's own."""
    raise HookError(payload["code"], payload["message"])


@hook
def crash() -> None:
    """Traps."""
    os.abort()


@hook
def spin() -> None:
    """Loops for ever."""
    for _ in itertools.count():
        pass


@hook
def hoard() -> None:
    """Takes memory until there is none."""
    taken = []
    for size in itertools.count(1 << 20, 1 << 20):
        taken.append(bytearray(size))


@on_install
def installed() -> None:
    """One line."""
    log.info("installed")


@on_upgrade
def upgraded(from_version: str) -> None:
    """One line."""
    log.info(f"upgraded from {from_version}")


@on_uninstall
def uninstalled() -> None:
    """One line."""
    log.info("uninstalled")


@on_enable
def enabled() -> None:
    """One line."""
    log.info("enabled")


@on_disable
def disabled() -> None:
    """One line."""
    log.info("disabled")
