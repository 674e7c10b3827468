"""What a build needs to know of a manifest; whether it is right is the host's to say (``applet check``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["LIFECYCLE", "Manifest", "ManifestError"]

LIFECYCLE = ("on-install", "on-upgrade", "on-uninstall", "on-enable", "on-disable")

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class ManifestError(Exception):
    """The manifest does not say what a build needs."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An applet's id and hooks."""

    id: str
    lifecycle: tuple[str, ...]
    named: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Reads the file."""
        # Not at the top: the tools are installed by this package's first run.
        import yaml

        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ManifestError(f"cannot read `{path}`: {error}") from error
        return cls.of(content)

    @classmethod
    def of(cls, content: Any) -> Manifest:
        """Takes what is needed from the manifest's content."""
        if not isinstance(content, dict):
            raise ManifestError("the manifest is not a mapping")
        applet = content.get("id")
        # It names a file.
        if not (isinstance(applet, str) and _ID.fullmatch(applet)):
            raise ManifestError("the manifest needs an `id`, kebab-case")
        hooks = content.get("hooks") or {}
        if not isinstance(hooks, dict):
            raise ManifestError("`hooks` is not a mapping")
        lifecycle, named = (_names(hooks, key) for key in ("lifecycle", "named"))
        unknown = next((name for name in lifecycle if name not in LIFECYCLE), None)
        if unknown is not None:
            raise ManifestError(f"`{unknown}` is no lifecycle hook; those are {', '.join(LIFECYCLE)}")
        if not lifecycle and not named:
            raise ManifestError("the manifest lists no hooks, so there is nothing to export")
        return cls(applet, lifecycle, named)

    def world(self, name: str) -> str:
        """A WIT world that exports just these hooks."""
        exports = [each for each in LIFECYCLE if each in self.lifecycle]
        if self.named:
            exports.append("named-hooks")
        lines = "".join(f"    export applet:host/{each}@0.1.0;\n" for each in exports)
        return f"package applet:build;\n\nworld {name} {{\n    include applet:host/imports@0.1.0;\n{lines}}}\n"


def _names(hooks: dict[str, Any], key: str) -> tuple[str, ...]:
    names = hooks.get(key) or []
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ManifestError(f"`hooks.{key}` is not a list of names")
    return tuple(names)
