"""The tools that a build needs, in a virtual environment of their own: exact versions, checked by their hashes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["ToolsError", "ensure"]

_REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_NAMES = ("componentize_py", "yaml")


class ToolsError(Exception):
    """The tools cannot be had."""


def ensure(folder: Path, arguments: list[str]) -> None:
    """Goes on in an interpreter that has the tools, installing them in the folder if they are not there.

    Needs the network once.
    """
    if Path(sys.prefix).resolve() == folder.resolve() and _is_current(folder):
        return
    if not _is_current(folder):
        _install(folder)
    sources = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [sources, os.environ.get("PYTHONPATH")]))
    interpreter = str(_interpreter(folder))
    environment = {**os.environ, "PYTHONPATH": path}
    os.execve(interpreter, [interpreter, "-m", "applet_sdk.build", *arguments], environment)


def _interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"


def _stamp(folder: Path) -> Path:
    return folder / "applet-tools"


def _wanted() -> str:
    return hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()


def _is_current(folder: Path) -> bool:
    try:
        return _stamp(folder).read_text() == _wanted()
    except OSError:
        return False


def _install(folder: Path) -> None:
    print(f"installing componentize-py in {folder} (once, 40 MB)", file=sys.stderr, flush=True)
    if importlib.util.find_spec("ensurepip") is None:
        raise ToolsError("this Python cannot make virtual environments; install the package python3-venv")
    pip = [str(_interpreter(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(_REQUIREMENTS)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            raise ToolsError(f"componentize-py cannot be installed: {lines[-1]}")
    _stamp(folder).write_text(_wanted())
