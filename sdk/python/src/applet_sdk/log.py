"""Lines for the applet's log. At most 16 KiB per invocation are kept."""

from __future__ import annotations

from . import _host

__all__ = ["debug", "error", "info", "warn"]


def debug(message: object) -> None:
    """Details for the developer."""
    _host.write_log("debug", str(message))


def info(message: object) -> None:
    """What happens normally."""
    _host.write_log("info", str(message))


def warn(message: object) -> None:
    """Worth a look."""
    _host.write_log("warn", str(message))


def error(message: object) -> None:
    """Something failed."""
    _host.write_log("error", str(message))
