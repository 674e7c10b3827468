"""Hooks: functions that the host calls. JSON in, JSON out."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from . import json_text
from .errors import AppletError, HookError
from .shapes import MisfitError, fit, to_json_text

__all__ = ["hook", "on_disable", "on_enable", "on_install", "on_uninstall", "on_upgrade"]

F = TypeVar("F", bound=Callable[..., Any])

# The host knows this code: it means that the applet has no such hook.
_NO_SUCH_HOOK = "no-such-hook"


@dataclass(frozen=True, slots=True)
class _Hook:
    function: Callable[..., Any]
    takes: Any
    """What its argument is to be; ``None`` where it takes none."""


named: dict[str, _Hook] = {}
"""Named hooks, by the names that the manifest lists."""

lifecycle: dict[str, Callable[..., Any]] = {}
"""Lifecycle hooks, by the names that the manifest lists."""


@overload
def hook(name: F) -> F: ...


@overload
def hook(name: str) -> Callable[[F], F]: ...


def hook(name: str | F) -> F | Callable[[F], F]:
    """Makes a function a named hook: ``@hook("newest-clients")``, or ``@hook`` for the function's own name.

    The function takes the payload, or nothing. Where it says what it takes (a dataclass, ``int``, ``list[str]``…),
    the payload is checked and made that; what does not fit is answered with ``bad-payload``. It gives whatever JSON
    can hold, dataclasses, rows, decimals and dates included.
    """
    if not isinstance(name, str):
        return hook(name.__name__.replace("_", "-"))(name)

    def register(function: F) -> F:
        if name in named:
            raise ValueError(f"there are two hooks `{name}`")
        named[name] = _Hook(function, _takes(function))
        return function

    return register


def on_install(function: F) -> F:
    """After the applet's tables were created and before it becomes active."""
    return _lifecycle("on-install", function)


def on_upgrade(function: F) -> F:
    """After an upgrade's changes were applied. Takes the version that was active before."""
    return _lifecycle("on-upgrade", function)


def on_uninstall(function: F) -> F:
    """Before the applet is taken away. Its failure does not keep it."""
    return _lifecycle("on-uninstall", function)


def on_enable(function: F) -> F:
    """After the applet was enabled."""
    return _lifecycle("on-enable", function)


def on_disable(function: F) -> F:
    """Before the applet is disabled."""
    return _lifecycle("on-disable", function)


def _lifecycle(name: str, function: F) -> F:
    if name in lifecycle:
        raise ValueError(f"there are two functions for `{name}`")
    lifecycle[name] = function
    return function


def _takes(function: Callable[..., Any]) -> Any:
    """The type of the only argument; ``Any`` where nothing is said, ``None`` where there is none."""
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        return None
    required = [each for each in parameters[1:] if each.default is inspect.Parameter.empty]
    if required:
        raise TypeError(f"hook `{function.__name__}` takes one argument, the payload, or none")
    hints = typing.get_type_hints(function)
    return hints.get(parameters[0].name, Any)


def run(name: str, payload: str) -> str:
    """Reads the payload, calls the hook and writes its answer. An empty payload is ``null``."""
    found = named.get(name)
    if found is None:
        raise HookError(_NO_SUCH_HOOK, f"there is no hook `{name}`")
    argument = _read(payload, found.takes)
    answer = _call(found.function) if found.takes is None else _call(found.function, argument)
    try:
        return to_json_text(answer)
    except (TypeError, ValueError, RecursionError) as error:
        reason = f"the answer cannot be written as JSON: {error}"
        raise HookError("bad-answer", reason) from error


def run_lifecycle(name: str, *arguments: str) -> None:
    """Calls a lifecycle hook."""
    _call(lifecycle[name], *arguments)


def _read(payload: str, takes: Any) -> Any:
    try:
        return fit(json_text.read(payload if payload.strip() else "null"), takes)
    except ValueError as error:
        raise HookError("bad-payload", f"the payload cannot be read: {error}") from error
    except MisfitError as error:
        raise HookError("bad-payload", str(error)) from error


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the host refused and the hook did not catch is the hook's failure, with the same code."""
    try:
        return function(*arguments)
    except AppletError as error:
        raise HookError(error.code, str(error)) from error
