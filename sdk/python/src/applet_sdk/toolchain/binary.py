"""The little of WebAssembly's binary format that ``sockets`` needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["BinaryError", "Reader", "name", "number", "section", "vector"]


class BinaryError(Exception):
    """The bytes are not what is expected."""


@dataclass(slots=True)
class Reader:
    """Reads a run of bytes from its beginning."""

    data: bytes
    place: int = 0

    @property
    def ended(self) -> bool:
        """Whether everything is read."""
        return self.place >= len(self.data)

    def byte(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def take(self, length: int) -> bytes:
        """So many bytes."""
        end = self.place + length
        if end > len(self.data):
            raise BinaryError("the file ends too early")
        taken = self.data[self.place : end]
        self.place = end
        return taken

    def number(self) -> int:
        """An unsigned number, LEB128."""
        result = shift = 0
        while True:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
            shift += 7

    def name(self) -> str:
        """A text."""
        return self.take(self.number()).decode()

    def rest(self) -> bytes:
        """What is left."""
        return self.take(len(self.data) - self.place)

    def since(self, start: int) -> bytes:
        """What was read from there on."""
        return self.data[start : self.place]

    def sections(self) -> Iterator[tuple[int, bytes]]:
        """Sections of a module or component, after its preamble."""
        self.take(8)
        while not self.ended:
            kind = self.byte()
            yield kind, self.take(self.number())


def number(value: int) -> bytes:
    """An unsigned number, LEB128."""
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def name(text: str) -> bytes:
    """A text."""
    return number(len(text.encode())) + text.encode()


def vector(items: Iterable[bytes]) -> bytes:
    """Items, and how many there are."""
    items = list(items)
    return number(len(items)) + b"".join(items)


def section(kind: int, content: bytes) -> bytes:
    """A section."""
    return bytes([kind]) + number(len(content)) + content
