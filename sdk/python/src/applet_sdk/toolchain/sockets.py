"""Cuts the network out of a component.

CPython imports sockets, whether they are used or not; an applet may not, so the host refuses the component as
``componentize-py`` makes it. Its ``--stub-wasi`` would take clocks and randomness away as well. Here each import of
``wasi:sockets`` goes, and what was lowered from it becomes a core function that traps: who opens a socket ends
the call.

No index space but that of core instances changes: whatever goes leaves something harmless in its place (an empty
instance, a function that nobody calls), and the one new core instance comes first, so all others move up by one.
*Invariant:* what is not understood is an error, never passed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .binary import BinaryError, Reader, name, number, section, vector

__all__ = ["cut_sockets", "imports"]

_PREFIX = "wasi:sockets/"

# Sections of a component.
_CUSTOM, _MODULE, _CORE_INSTANCE, _INSTANCE = 0, 1, 2, 5
_ALIAS, _TYPE, _CANON, _IMPORT, _EXPORT = 6, 7, 8, 10, 11
# Sections of a core module.
_CORE_TYPE, _CORE_IMPORT, _CORE_FUNCTION, _CORE_EXPORT, _CORE_CODE = 1, 2, 3, 7, 10

# Sorts of things.
_CORE, _FUNC, _SORT_TYPE, _SORT_INSTANCE = 0x00, 0x01, 0x03, 0x05
_CORE_SORT_FUNC, _CORE_SORT_INSTANCE = 0x00, 0x12
# Where an alias points.
_OF_INSTANCE, _OF_CORE_INSTANCE, _OF_OUTER = 0x00, 0x01, 0x02

_LOWER, _RESOURCE_DROP = b"\x01\x00", 0x03
_EMPTY_INSTANCE_TYPE, _EMPTY_INSTANCE, _ANY_TYPE = b"\x42\x00", b"\x01\x00", b"\x7f"
_UNREACHABLE_BODY = b"\x00\x00\x0b"
_DROP = "[resource-drop]"
# (i32) -> ()
_DROP_TYPE = b"\x60\x01\x7f\x00"


def imports(component: bytes) -> list[str]:
    """What a component imports."""
    found = []
    for kind, content in Reader(component).sections():
        if kind == _IMPORT:
            reader = Reader(content)
            found += [_import(reader)[0] for _ in range(reader.number())]
    return found


def cut_sockets(component: bytes) -> bytes:
    """The component without its imports of sockets."""
    if not any(each.startswith(_PREFIX) for each in imports(component)):
        return component
    cut = _Cut(_signatures(component), _types_of_sockets(component))
    for kind, content in Reader(component).sections():
        cut.section(kind, content)
    result = component[:8] + b"".join(cut.written)
    left = [each for each in imports(result) if each.startswith(_PREFIX)]
    if left or not cut.stubbed:
        raise BinaryError(f"sockets are still imported: {left}")
    return result


@dataclass(slots=True)
class _Cut:
    """One walk over a component's sections."""

    signatures: dict[str, bytes]
    """Core types of the functions of sockets, by interface and name."""
    socket_types: set[int]
    """Types of the imports that go."""
    written: list[bytes] = field(default_factory=list)
    stubbed: bool = False
    modules: int = 0
    types: int = 0
    instances: int = 0
    funcs: int = 0
    dead_types: set[int] = field(default_factory=set)
    dead_instances: dict[int, str] = field(default_factory=dict)
    dead_funcs: dict[int, str] = field(default_factory=dict)
    spare_func: bytes | None = None
    """An alias of a function that stays."""

    def section(self, kind: int, content: bytes) -> None:
        match kind:
            case 0 if Reader(content).name() == "component-name":
                # It names things by index.
                return
            case 1:
                if self.stubbed:
                    raise BinaryError("a core module after the first core instance")
                self.modules += 1
                self._write(kind, content)
            case 2:
                self._write_stubs()
                self._write(kind, _moved_up(content))
            case 5:
                self.instances += Reader(content).number()
                self._write(kind, content)
            case 6:
                self._items(_ALIAS, _aliases(content))
            case 7:
                self._type_section(content)
            case 8:
                self._items(_CANON, _canons(content))
            case 10:
                self._import_section(content)
            case 11:
                self._export_section(content)
            case _:
                self._write(kind, content)

    def _write(self, kind: int, content: bytes) -> None:
        self.written.append(section(kind, content))

    def _write_stubs(self) -> None:
        """The core module of stubs, and its only instance, before all others."""
        if self.stubbed:
            return
        self.stubbed = True
        self._write(_MODULE, _stubs(self.signatures))
        self._write(_CORE_INSTANCE, vector([b"\x00" + number(self.modules) + number(0)]))

    def _items(self, kind: int, items: Iterator[bytes]) -> None:
        """Writes items one after the other, each in the section that it belongs into now."""
        together: list[bytes] = []
        before = kind
        for item in items:
            now, replaced = self._alias(item) if kind == _ALIAS else self._canon(item)
            if now != before and together:
                self._write(before, vector(together))
                together = []
            together.append(replaced)
            before = now
        if together:
            self._write(before, vector(together))

    def _alias(self, item: bytes) -> tuple[int, bytes]:
        reader = Reader(item)
        sort = reader.take(2) if item[0] == _CORE else reader.take(1)
        target, instance = reader.byte(), reader.number()
        if target == _OF_CORE_INSTANCE:
            return _ALIAS, sort + bytes([target]) + number(instance + 1) + reader.rest()
        interface = self.dead_instances.get(instance) if target == _OF_INSTANCE else None
        if sort[0] == _SORT_TYPE:
            self.types += 1
            if interface is not None:
                self.dead_types.add(self.types - 1)
                return _TYPE, _ANY_TYPE
        elif sort[0] == _FUNC:
            self.funcs += 1
            if interface is None:
                self.spare_func = self.spare_func or item
            elif self.spare_func is None:
                raise BinaryError("no function to put in the place of those that go")
            else:
                self.dead_funcs[self.funcs - 1] = f"{interface}#{reader.name()}"
                return _ALIAS, self.spare_func
        elif sort[0] == _SORT_INSTANCE:
            self.instances += 1
        elif interface is not None:
            raise BinaryError("something of sockets that is no type and no function")
        return _ALIAS, item

    def _canon(self, item: bytes) -> tuple[int, bytes]:
        reader = Reader(item)
        if item.startswith(_LOWER):
            reader.take(2)
            dead = self.dead_funcs.get(reader.number())
        elif item[0] == _RESOURCE_DROP:
            reader.take(1)
            dead = _DROP if reader.number() in self.dead_types else None
        else:
            if item[0] == 0x00:
                self.funcs += 1
            dead = None
        if dead is None:
            return _CANON, item
        if dead not in self.signatures:
            raise BinaryError(f"`{dead}` is lowered, and no module imports it")
        stub = bytes([_CORE, _CORE_SORT_FUNC, _OF_CORE_INSTANCE]) + number(0) + name(dead)
        return _ALIAS, stub

    def _type_section(self, content: bytes) -> None:
        count = Reader(content).number()
        if count == 1 and self.types in self.socket_types:
            content = vector([_EMPTY_INSTANCE_TYPE])
        elif self.socket_types & set(range(self.types, self.types + count)):
            raise BinaryError("the type of an import of sockets among others")
        self.types += count
        self._write(_TYPE, content)

    def _import_section(self, content: bytes) -> None:
        reader = Reader(content)
        if reader.number() != 1:
            raise BinaryError("several imports in one section")
        interface, sort, _ = _import(reader)
        if sort == _SORT_INSTANCE:
            self.instances += 1
            if interface.startswith(_PREFIX):
                self.dead_instances[self.instances - 1] = interface.partition("@")[0]
                self._write(_INSTANCE, vector([_EMPTY_INSTANCE]))
                return
        elif sort == _SORT_TYPE:
            self.types += 1
        elif sort == _FUNC:
            self.funcs += 1
        else:
            raise BinaryError(f"the import `{interface}` is neither an instance nor a function")
        self._write(_IMPORT, content)

    def _export_section(self, content: bytes) -> None:
        """Each export is one more of its sort."""
        reader = Reader(content)
        if reader.number() != 1:
            raise BinaryError("several exports in one section")
        reader.byte()
        reader.name()
        sort = reader.byte()
        self.types += sort == _SORT_TYPE
        self.funcs += sort == _FUNC
        self.instances += sort == _SORT_INSTANCE
        self._write(_EXPORT, content)


def _import(reader: Reader) -> tuple[str, int, int]:
    """Name, sort and type of an import."""
    reader.byte()
    interface = reader.name()
    sort = reader.byte()
    if sort == _SORT_TYPE:
        # A bound: `eq` and the type, or any resource.
        return interface, sort, reader.number() if reader.byte() == 0x00 else -1
    if sort == _CORE:
        reader.byte()
    return interface, sort, reader.number()


def _types_of_sockets(component: bytes) -> set[int]:
    types = set()
    for kind, content in Reader(component).sections():
        if kind == _IMPORT:
            reader = Reader(content)
            for _ in range(reader.number()):
                interface, _, index = _import(reader)
                if interface.startswith(_PREFIX):
                    types.add(index)
    return types


def _aliases(content: bytes) -> Iterator[bytes]:
    reader = Reader(content)
    for _ in range(reader.number()):
        start = reader.place
        if reader.byte() == _CORE:
            reader.byte()
        if reader.byte() == _OF_OUTER:
            reader.number()
            reader.number()
        else:
            reader.number()
            reader.name()
        yield reader.since(start)


def _canons(content: bytes) -> Iterator[bytes]:
    reader = Reader(content)
    count = reader.number()
    if count == 1:
        yield reader.rest()
        return
    for _ in range(count):
        start = reader.place
        kind = reader.byte()
        if kind in (0x00, 0x01):
            reader.byte()
            reader.number()
            for _ in range(reader.number()):
                # Memory, realloc, post-return and callback name one; encodings and async do not.
                if reader.byte() in (0x03, 0x04, 0x05, 0x07):
                    reader.number()
            if kind == 0x00:
                reader.number()
        elif kind in (0x02, _RESOURCE_DROP, 0x04):
            reader.number()
        else:
            raise BinaryError(f"a canonical function of unknown kind {kind:#x}")
        yield reader.since(start)


def _moved_up(content: bytes) -> bytes:
    """Core instances, with the numbers of those that they refer to one higher."""
    reader = Reader(content)
    items = []
    for _ in range(reader.number()):
        kind = reader.byte()
        head = bytes([kind]) + (number(reader.number()) if kind == 0x00 else b"")
        arguments = []
        for _ in range(reader.number()):
            argument, sort, index = reader.name(), reader.byte(), reader.number()
            index += sort == _CORE_SORT_INSTANCE
            arguments.append(name(argument) + bytes([sort]) + number(index))
        items.append(head + vector(arguments))
    return vector(items)


def _signatures(component: bytes) -> dict[str, bytes]:
    """Core types of the functions of sockets that core modules import."""
    found = {_DROP: _DROP_TYPE}
    for kind, content in Reader(component).sections():
        if kind == _MODULE and _PREFIX.encode() in content:
            found |= _imported(content)
    return found


def _imported(module: bytes) -> dict[str, bytes]:
    found = {}
    types: list[bytes] = []
    for kind, content in Reader(module).sections():
        reader = Reader(content)
        if kind == _CORE_TYPE:
            types = [_core_type(reader) for _ in range(reader.number())]
        elif kind == _CORE_IMPORT:
            for _ in range(reader.number()):
                interface, function, sort = reader.name(), reader.name(), reader.byte()
                index = _import_kind(reader, sort)
                if interface.startswith(_PREFIX) and index is not None:
                    found[f"{interface.partition('@')[0]}#{function}"] = types[index]
            break
    return found


def _core_type(reader: Reader) -> bytes:
    start = reader.place
    if reader.byte() != 0x60:
        raise BinaryError("a core type that is no function")
    reader.take(reader.number())
    reader.take(reader.number())
    return reader.since(start)


def _import_kind(reader: Reader, sort: int) -> int | None:
    """The type of an imported function; reads over whatever else is imported."""
    match sort:
        case 0x00:
            return reader.number()
        case 0x01 | 0x02:
            if sort == 0x01:
                reader.byte()
            flags = reader.byte()
            reader.number()
            if flags & 1:
                reader.number()
        case 0x03:
            reader.take(2)
        case _:
            raise BinaryError(f"a core import of unknown kind {sort:#x}")
    return None


def _stubs(signatures: dict[str, bytes]) -> bytes:
    """A core module whose functions trap; their names show in the trace."""
    count = range(len(signatures))
    names = vector(number(index) + name(f"{each} (an applet has no network)") for index, each in enumerate(signatures))
    exports = (name(each) + b"\x00" + number(index) for index, each in enumerate(signatures))
    return b"".join(
        [
            b"\x00asm\x01\x00\x00\x00",
            section(_CORE_TYPE, vector(signatures.values())),
            section(_CORE_FUNCTION, vector(number(index) for index in count)),
            section(_CORE_EXPORT, vector(exports)),
            section(_CORE_CODE, vector(_body() for _ in count)),
            section(_CUSTOM, name("name") + section(1, names)),
        ]
    )


def _body() -> bytes:
    """A function body, with its length."""
    return number(len(_UNREACHABLE_BODY)) + _UNREACHABLE_BODY
