import unittest
from pathlib import Path

from applet_sdk.toolchain.binary import BinaryError, Reader, name, number, section, vector
from applet_sdk.toolchain.component import reason
from applet_sdk.toolchain.manifest import Manifest, ManifestError
from applet_sdk.toolchain.sockets import cut_sockets, imports

PREAMBLE = b"\0asm\x0d\0\x01\0"


def component(*names: str) -> bytes:
    """Imports of empty instances, each with its type before it."""
    made = [PREAMBLE]
    for index, each in enumerate(names):
        made.append(section(7, vector([b"\x42\x00"])))
        made.append(section(10, vector([b"\0" + name(each) + b"\x05" + number(index)])))
    return b"".join(made)


class Toolchain(unittest.TestCase):
    def test_a_world_exports_the_hooks_of_the_manifest_and_no_others(self):
        manifest = Manifest.of({"id": "a-b", "hooks": {"lifecycle": ["on-enable", "on-install"], "named": ["x"]}})
        self.assertEqual(
            manifest.world("w"),
            "package applet:build;\n\nworld w {\n    include applet:host/imports@0.1.0;\n"
            "    export applet:host/on-install@0.1.0;\n    export applet:host/on-enable@0.1.0;\n"
            "    export applet:host/named-hooks@0.1.0;\n}\n",
        )
        only = Manifest.of({"id": "a", "hooks": {"lifecycle": ["on-install"]}})
        self.assertNotIn("named-hooks", only.world("w"))

    def test_a_manifest_that_says_no_hooks_or_no_file_name_is_refused(self):
        hooks = {"named": ["x"]}
        for content in [
            None,
            [],
            {"hooks": hooks},
            {"id": "../a", "hooks": hooks},
            {"id": "a\n", "hooks": hooks},
            {"id": "a"},
            {"id": "a", "hooks": []},
            {"id": "a", "hooks": {"named": "x"}},
            {"id": "a", "hooks": {"named": [1]}},
            {"id": "a", "hooks": {"lifecycle": ["on-instal"]}},
        ]:
            with self.subTest(content=content):
                self.assertRaises(ManifestError, Manifest.of, content)

    def test_decision_19_what_is_not_understood_is_an_error_and_never_passed_on(self):
        plain = component("wasi:io/poll@0.2.9", "applet:host/db@0.1.0")
        self.assertEqual(cut_sockets(plain), plain)
        network = component("wasi:io/poll@0.2.9", "wasi:sockets/network@0.2.9")
        self.assertEqual(imports(network), ["wasi:io/poll@0.2.9", "wasi:sockets/network@0.2.9"])
        # No core instance, so nothing that could have been cut rightly.
        self.assertRaises(BinaryError, cut_sockets, network)
        # Cut off within the last import.
        for end in range(network.rindex(b"\x0a\x1f") + 1, len(network)):
            self.assertRaises(BinaryError, cut_sockets, network[:end])
        instance = section(2, vector([b"\x00" + number(0) + vector([])]))
        lowered = section(6, vector([b"\x01\x00" + number(1) + name("f")]))
        self.assertEqual(imports(cut_sockets(network + instance)), ["wasi:io/poll@0.2.9"])
        # A function of sockets, and none to put in its place.
        self.assertRaises(BinaryError, cut_sockets, network + instance + lowered)

    def test_a_failed_build_says_what_is_wrong_with_the_applet(self):
        begin = 'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\nAssertionError: '
        wrong = 'Traceback (most recent call last):\n  File "/1/app.py", line 27\n    def x(:\nSyntaxError: no'
        end = "\n\n\nCaused by:\n    SyntaxError: invalid syntax (app.py, line 27)"
        paths = [Path("main"), Path("project/src")]
        self.assertEqual(reason(begin + wrong + end, paths), wrong.replace("/1/", "project/src/"))
        trap = "\n\nCaused by:\n    1: called trapping stub: applet:host/db@0.1.0#[method]transaction.query"
        self.assertIn("calls the host (`db`) while it is imported", reason(begin + trap, paths))
        missing = "the manifest lists the hook `a`, and no function has `@hook('a')`"
        self.assertEqual(reason(f"{begin}{missing}{end}", paths), missing)
        self.assertEqual(reason("something else", paths), "something else")
        self.assertIn("does not say why", reason(begin, paths))

    def test_numbers_are_read_as_they_are_written(self):
        for value in (0, 127, 128, 16_383, 16_384, (1 << 32) - 1):
            self.assertEqual(Reader(number(value)).number(), value)


if __name__ == "__main__":
    unittest.main()
