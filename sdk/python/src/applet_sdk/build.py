"""``python -m applet_sdk.build``: builds the applet of a folder."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .toolchain.component import BuildError, Project
from .toolchain.manifest import Manifest, ManifestError
from .toolchain.tools import ToolsError, ensure

_EXAMPLES = """\
examples:
  python -m applet_sdk.build                       dist/<id>.wasm, from manifest.yaml and the module `app`
  python -m applet_sdk.build --project report      of another folder
  python -m applet_sdk.build --module hooks        another module; or in pyproject.toml:
                                                   [tool.applet] module = "hooks"

The tools are installed in .applet/python, once, and need no network afterwards. Exit codes: 1 the applet cannot be
built, 2 wrong arguments, 3 the tools cannot be had.
"""


def main() -> int:
    """The command."""
    arguments = _arguments().parse_args()
    project: Path = arguments.project
    tools = arguments.tools or project / ".applet" / "python"
    begin = time.monotonic()
    try:
        with _alone(tools):
            ensure(tools, sys.argv[1:])
        settings = _settings(project)
        manifest = Manifest.read(project / arguments.manifest)
        module = arguments.module or settings.get("module", "app")
        output: Path = arguments.output or project / "dist" / f"{manifest.id}.wasm"
        built = _build(Project(project, manifest, module), output, again=arguments.force)
    except ToolsError as error:
        return _fail(3, error, json_wanted=arguments.json)
    except (BuildError, ManifestError) as error:
        return _fail(1, error, json_wanted=arguments.json)
    size = output.stat().st_size
    if arguments.json:
        print(json.dumps({"component": str(output), "bytes": size, "built": built}))
    elif built:
        seconds = time.monotonic() - begin
        print(f"{output} ({size / (1 << 20):.1f} MiB, {seconds:.1f} s)")
    else:
        print(f"{output} is up to date")
    return 0


@contextlib.contextmanager
def _alone(tools: Path) -> Iterator[None]:
    """Only one at a time installs tools. What goes on in another interpreter lets go by itself."""
    tools.parent.mkdir(parents=True, exist_ok=True)
    with tools.with_name(tools.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m applet_sdk.build",
        description="Builds an applet: a component that exports the hooks which its manifest lists.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    here = Path()
    parser.add_argument("--project", type=Path, default=here, help="the applet's folder (this one)")
    parser.add_argument("--manifest", default="manifest.yaml", help="its manifest (manifest.yaml)")
    parser.add_argument("--module", help="the module that registers the hooks (app)")
    parser.add_argument("-o", "--output", type=Path, help="the component (dist/<id>.wasm)")
    environment = os.environ.get("APPLET_PYTHON_TOOLS")
    tools = Path(environment) if environment else None
    parser.add_argument(
        "--tools",
        type=Path,
        default=tools,
        help="the virtual environment for the tools (.applet/python in the applet's folder) [env: APPLET_PYTHON_TOOLS]",
    )
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parser


def _settings(project: Path) -> dict[str, Any]:
    """``[tool.applet]`` of pyproject.toml."""
    path = project / "pyproject.toml"
    if not path.exists():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"cannot read `{path}`: {error}") from error
    settings: dict[str, Any] = content.get("tool", {}).get("applet", {})
    return settings


def _build(project: Project, output: Path, *, again: bool) -> bool:
    """Builds unless nothing has changed since; says whether it did."""
    stamp = output.with_name(output.name + ".inputs")
    fingerprint = project.fingerprint()
    if not again and output.exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return False
    print(f"building {project.manifest.id} (some 10 seconds)", file=sys.stderr, flush=True)
    stamp.unlink(missing_ok=True)
    project.build(output)
    stamp.write_text(fingerprint)
    return True


def _fail(code: int, error: Exception, *, json_wanted: bool) -> int:
    if json_wanted:
        kind = "tools" if code == 3 else "build"
        print(json.dumps({"error": {"code": kind, "message": str(error)}}), file=sys.stderr)
    else:
        print(f"error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
