"""What the component exports: classes by the names that ``componentize-py`` looks for.

An exception that is no ``HookError`` goes on as a crash, which ends the instance: its trace is in the log.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

from . import _host, hooks
from .errors import HookError

__all__ = ["NamedHooks", "OnDisable", "OnEnable", "OnInstall", "OnUninstall", "OnUpgrade", "check"]

T = TypeVar("T")


def _answer(work: Callable[..., T], *arguments: str) -> T:
    try:
        return work(*arguments)
    except HookError as error:
        raise _host.failure(error) from error


class NamedHooks:
    """Hooks that the manifest names."""

    def call(self, name: str, payload: str) -> str:
        """JSON in, JSON out."""
        return _answer(hooks.run, name, payload)


class OnInstall:
    """After the applet's tables were created."""

    def run(self) -> None:
        """Calls the applet's function."""
        _answer(hooks.run_lifecycle, "on-install")


class OnUpgrade:
    """After an upgrade's changes were applied."""

    def run(self, from_version: str) -> None:
        """Calls the applet's function."""
        _answer(hooks.run_lifecycle, "on-upgrade", from_version)


class OnUninstall:
    """Before the applet is taken away."""

    def run(self) -> None:
        """Calls the applet's function."""
        _answer(hooks.run_lifecycle, "on-uninstall")


class OnEnable:
    """After the applet was enabled."""

    def run(self) -> None:
        """Calls the applet's function."""
        _answer(hooks.run_lifecycle, "on-enable")


class OnDisable:
    """Before the applet is disabled."""

    def run(self) -> None:
        """Calls the applet's function."""
        _answer(hooks.run_lifecycle, "on-disable")


def check(lifecycle: Iterable[str], named: Iterable[str]) -> None:
    """Fails the build when the manifest lists a hook that no function is registered for."""
    for name in named:
        if name not in hooks.named:
            known = f"@hook({name!r})"
            raise SystemExit(_missing(name, known, hooks.named))
    for name in lifecycle:
        if name not in hooks.lifecycle:
            known = f"@{name.replace('-', '_')}"
            raise SystemExit(_missing(name, known, hooks.lifecycle))


def _missing(name: str, decorator: str, registered: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(registered), 1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"the manifest lists the hook `{name}`, and no function has `{decorator}`{hint}"
