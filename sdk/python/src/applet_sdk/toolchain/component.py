"""From a manifest and a module with hooks to a component."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .binary import BinaryError
from .manifest import Manifest
from .sockets import cut_sockets

__all__ = ["BuildError", "Project", "reason"]

_INTERFACE = "applet-host@0.1.0"
_WORLD = "applet"
_MAIN = "applet_main"
_SKIPPED = {"__pycache__", "dist", "target", "node_modules"}

# Python looks for modules that are imported late on a disk, and a component has none: these are imported by the
# standard library itself while it works.
_LATE = ("_strptime", "encodings.ascii", "encodings.latin_1", "encodings.idna", "traceback")


# The host's functions while modules are imported.
_STUB = re.compile(r"called trapping stub: applet:host/([a-z-]+)@[0-9.]+#(?:.*)")


class BuildError(Exception):
    """The component cannot be built."""


@dataclass(frozen=True, slots=True)
class Project:
    """What is built."""

    folder: Path
    manifest: Manifest
    module: str
    """The module that registers the hooks."""

    @property
    def sources(self) -> list[Path]:
        """Where modules are looked for: the applet's, what it brings along, and this package."""
        inner = self.folder / "src"
        own = inner if inner.is_dir() else self.folder
        vendored = self.folder / "vendor"
        return [own, *([vendored] if vendored.is_dir() else []), Path(__file__).parents[2]]

    def fingerprint(self) -> str:
        """A digest of everything that the component is made of."""
        digest = hashlib.sha256(repr((self.manifest, self.module, sys.version)).encode())
        for root in [*self.sources, _interface()]:
            for path in _files(root):
                digest.update(f"\0{path.relative_to(root)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def build(self, output: Path) -> None:
        """Writes the component."""
        with tempfile.TemporaryDirectory(prefix="applet-build-") as folder:
            work = Path(folder)
            self._write_world(work / "wit")
            self._write_main(work / "main")
            made = work / "component.wasm"
            self._componentize(work, made)
            try:
                component = cut_sockets(made.read_bytes())
            except BinaryError as error:
                reason = f"what componentize-py made is not what this SDK knows: {error}"
                raise BuildError(reason) from error
            output.parent.mkdir(parents=True, exist_ok=True)
            # Nobody ever sees half of it, and two builds at once do not meet.
            beside = output.with_name(f"{output.name}.{os.getpid()}")
            beside.write_bytes(component)
            beside.replace(output)

    def _write_world(self, folder: Path) -> None:
        packages = folder / "deps" / "applet-host"
        packages.mkdir(parents=True)
        for file in sorted(_interface().glob("*.wit")):
            shutil.copy(file, packages)
        (folder / "world.wit").write_text(self.manifest.world(_WORLD), encoding="utf-8")

    def _write_main(self, folder: Path) -> None:
        folder.mkdir()
        lines = [
            *(f"import {module}" for module in _LATE),
            f"import {self.module}",
            "from applet_sdk.exports import *",
            f"check({self.manifest.lifecycle!r}, {self.manifest.named!r})",
        ]
        (folder / f"{_MAIN}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _componentize(self, work: Path, output: Path) -> None:
        # Nothing of this machine's own packages may get in.
        nothing = work / "environment" / "lib" / "site-packages"
        nothing.mkdir(parents=True)
        mounted = [work / "main", *self.sources]
        paths = [each for path in mounted for each in ("-p", str(path))]
        command = [sys.executable, "-c", "from componentize_py import script; script()"]
        command += ["-q", "-d", str(work / "wit"), "-w", _WORLD]
        command += ["componentize", *paths, "-o", str(output), _MAIN]
        environment = {**os.environ, "VIRTUAL_ENV": str(work / "environment")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(reason(done.stderr, mounted))


def reason(text: str, paths: Sequence[Path]) -> str:
    """What went wrong while the applet's modules were imported, without the tool's own traces.

    The tool mounts each path as ``/0``, ``/1``…; the answer names the real ones.
    """
    called = _STUB.search(text)
    if called is not None:
        return f"a module calls the host (`{called[1]}`) while it is imported; the host is there only for hooks"
    before, marker, after = text.partition("AssertionError: ")
    text = after if marker else before
    text = text.partition("\nCaused by:")[0]
    for place, path in enumerate(paths):
        text = text.replace(f'File "/{place}/', f'File "{path}/')
    return text.strip() or "componentize-py fails, and does not say why"


def _interface() -> Path:
    """The host's interface: installed beside this package, or in the repository that it is in."""
    installed = Path(__file__).parents[1] / "wit" / _INTERFACE
    if installed.is_dir():
        return installed
    for folder in Path(__file__).resolve().parents:
        if (folder / "wit" / _INTERFACE).is_dir():
            return folder / "wit" / _INTERFACE
    raise BuildError(f"the interface `{_INTERFACE}` is not there; install the SDK again")


def _files(root: Path) -> Iterator[Path]:
    """All files below a folder, in order, without what tools leave behind."""
    for path in sorted(root.iterdir()):
        if path.name.startswith(".") or path.name in _SKIPPED:
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path
