import json
import unittest
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from applet_sdk import exports, hooks
from applet_sdk.errors import Detail, HookError, PermissionDeniedError


@dataclass
class Line:
    text: str
    weight: Decimal | None = None


@dataclass
class Order:
    id: int
    lines: list[Line]
    ratio: float = 1.0
    state: Literal["open", "closed"] = "open"
    tags: dict[str, str] = field(default_factory=dict)
    key: uuid.UUID | None = None
    at: datetime | None = None
    day: date | None = None


def giving(answer: Any) -> Callable[[], Any]:
    return lambda: answer


class Hooks(unittest.TestCase):
    def setUp(self):
        hooks.named.clear()
        hooks.lifecycle.clear()

    def code(self, name: str, payload: str) -> str:
        with self.assertRaises(HookError) as raised:
            hooks.run(name, payload)
        return raised.exception.code

    def test_s4x_8_named_hooks_take_and_give_json(self):
        @hooks.hook("double")
        def double(number: int) -> int:
            return number * 2

        @hooks.hook
        def nothing_in() -> str:
            return "ok"

        @hooks.hook
        def anything(payload):
            return payload

        self.assertEqual(hooks.run("double", "21"), "42")
        self.assertEqual(hooks.run("nothing-in", " "), '"ok"')
        self.assertEqual(self.code("nothing-in", "1"), "bad-payload")
        self.assertEqual(self.code("nothing", ""), "no-such-hook")
        for payload in ['"x"', "true", "1.0", "null", "{", "", "9" * 5000]:
            self.assertEqual(self.code("double", payload), "bad-payload", payload[:10])
        for payload in ['{"a":[1,null,true,"x",1.5]}', "12345678901234567890", '"naïve \U0001f600"', '"\\ud800"', "[]"]:
            self.assertEqual(json.loads(hooks.run("anything", payload)), json.loads(payload))
            hooks.run("anything", payload).encode()

    def test_s4x_8_payloads_that_nest_too_deep_are_refused_before_they_are_read(self):
        @hooks.hook
        def anything(payload):
            return payload

        for payload in ["[" * 100_000, "[" * 201 + "]" * 201, '{"a":' * 201 + "1" + "}" * 201, "[\ud800" * 300]:
            self.assertEqual(self.code("anything", payload), "bad-payload")
        # Deep enough, wide, and brackets in a text.
        for payload in ["[" * 200 + "]" * 200, "[" + "[]," * 999 + "[]]", '["' + "[" * 999 + '\\"[", "x"]']:
            self.assertEqual(json.loads(hooks.run("anything", payload)), json.loads(payload))

    def test_s4x_8_a_payload_becomes_what_the_hook_says_that_it_takes(self):
        @hooks.hook
        def order(order: Order) -> Any:
            self.assertIsInstance(order, Order)
            return order

        given = {
            "id": 7,
            "lines": [{"text": "a", "weight": "0.70"}, {"text": "b"}],
            "ratio": 2,
            "at": "2026-01-31T12:00:00Z",
            "day": "2026-01-31",
            "key": "01234567-89ab-cdef-0123-456789abcdef",
        }
        answer = json.loads(hooks.run("order", json.dumps(given)))
        self.assertEqual(answer["lines"], [{"text": "a", "weight": "0.70"}, {"text": "b", "weight": None}])
        self.assertEqual((answer["ratio"], answer["at"]), (2.0, "2026-01-31T12:00:00+00:00"))
        for change, reason in [
            ({"id": "7"}, "the payload.id has to be a whole number, it is a text"),
            ({"id": None}, "it is null"),
            ({"lines": {}}, "the payload.lines has to be a list"),
            ({"lines": [{"weight": 1}]}, r"the payload.lines\[0\] lacks `text`"),
            ({"lines": [{"text": "a", "weight": "x"}]}, "has to be a decimal"),
            ({"state": "gone"}, "one of 'open', 'closed'"),
            ({"tags": {"a": 1}}, "the payload.tags.a has to be a text"),
            ({"at": "yesterday"}, "a moment"),
            ({"id": True}, "a whole number"),
            ({"idd": 1}, "`idd` that is not known"),
        ]:
            with self.subTest(change=change), self.assertRaisesRegex(HookError, reason):
                hooks.run("order", json.dumps({**given, **change}))

    def test_s4x_8_answers_that_are_no_json_are_the_hooks_failure(self):
        answers = {
            "nan": float("nan"),
            "set": {1},
            "deep": None,
        }
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        answers["deep"] = deep
        for name, answer in answers.items():
            hooks.hook(name)(giving(answer))
            self.assertEqual(self.code(name, ""), "bad-answer", name)
        hooks.hook("rest")(
            lambda: [Decimal("1.50"), uuid.UUID(int=1), b"\0", datetime(2026, 1, 1, tzinfo=UTC), timedelta(1)]
        )
        self.assertEqual(
            json.loads(hooks.run("rest", "")),
            ["1.50", str(uuid.UUID(int=1)), "\\x00", "2026-01-01T00:00:00+00:00", "1 day, 0:00:00"],
        )

    def test_s4x_8_an_error_of_the_host_becomes_the_hooks_error_with_its_code(self):
        @hooks.hook
        def refused():
            raise PermissionDeniedError(Detail("not-granted", "no", hint="ask"))

        @hooks.hook
        def crashed():
            raise KeyError("x")

        with self.assertRaisesRegex(HookError, r"not-granted: no \(ask\)") as raised:
            hooks.run("refused", "")
        self.assertEqual(raised.exception.code, "not-granted")
        # What is no error of the host or the hook's own is a crash.
        self.assertRaises(KeyError, hooks.run, "crashed", "")

    def test_s4x_8_lifecycle_hooks_and_mistakes_in_registering(self):
        seen = []
        hooks.on_upgrade(seen.append)
        hooks.run_lifecycle("on-upgrade", "1.0.0")
        self.assertEqual(seen, ["1.0.0"])
        self.assertRaises(ValueError, hooks.on_upgrade, seen.append)
        hooks.hook("a")(lambda: None)
        self.assertRaises(ValueError, hooks.hook("a"), lambda: None)
        self.assertRaises(TypeError, hooks.hook("b"), lambda _one, _two: None)

    def test_the_build_fails_on_a_hook_that_is_not_there(self):
        hooks.hook("summary")(lambda: None)
        exports.check([], ["summary"])
        with self.assertRaisesRegex(SystemExit, "`sumary`.*did you mean `summary`"):
            exports.check([], ["sumary"])
        with self.assertRaisesRegex(SystemExit, "@on_install"):
            exports.check(["on-install"], [])


if __name__ == "__main__":
    unittest.main()
