"""JSON text that others wrote: read without trusting it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

__all__ = ["DEEPEST", "read"]

DEEPEST = 200
"""How deep arrays and objects may nest. Deeper ones would end the instance: its stack is small, and C functions
that recurse do not notice its end."""

_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def read(text: str, parse_float: Callable[[str], Any] = float) -> Any:
    """The value that the text says.

    Raises ``ValueError`` when it says none, or nests too deep.
    """
    if text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
        raise ValueError(f"arrays and objects nest deeper than {DEEPEST}")
    return json.loads(text, parse_float=parse_float)


def _depth(text: str) -> int:
    """How deep brackets nest, those in texts not counted."""
    brackets = _STRINGS.sub("", text).encode(errors="replace").translate(None, _OTHERS)
    return max(itertools.accumulate(map(_STEPS.__getitem__, brackets)), default=0)
