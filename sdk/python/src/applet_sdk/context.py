"""Who is calling, for whom, and what was granted."""

from __future__ import annotations

from dataclasses import dataclass

from . import _host

__all__ = ["Invocation", "Permission", "current"]


@dataclass(frozen=True, slots=True)
class Permission:
    """What was granted on one table."""

    table: str
    operations: tuple[str, ...]
    """read, insert, update, soft-delete, hard-delete"""
    soft_deletable: bool
    """Whether its rows can be soft deleted."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The invocation as the applet may know it."""

    request_id: str
    """Follows the call through logs and audit."""
    tenant_id: str
    workspace_id: str
    user_id: str | None
    """``None`` when the platform itself calls."""
    locale: str
    """The user's language, a BCP 47 tag."""
    applet_id: str
    applet_version: str
    permissions: tuple[Permission, ...]
    """What was granted, table by table."""


def current() -> Invocation:
    """The invocation that is being served."""
    call = _host.call(_host.context.current)
    return Invocation(
        call.request_id,
        call.tenant_id,
        call.workspace_id,
        call.user_id,
        call.locale,
        call.applet_id,
        call.applet_version,
        tuple(Permission(each.table, tuple(each.operations), each.soft_deletable) for each in call.permissions),
    )


# Only an installation's own invocations share an instance, and what is granted to it does not change there.
_soft_deletable: dict[str, bool] = {}


def soft_deletable(table: str) -> bool:
    """Whether rows of this table can be soft deleted, as far as the host says. Asked once per instance."""
    if not _soft_deletable:
        _soft_deletable.update((each.table, each.soft_deletable) for each in current().permissions)
    return _soft_deletable.get(table, False)
