import enum
import unittest
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

from applet_sdk.errors import BuilderError
from applet_sdk.exact import ExactDate, ExactTime, ExactTimestamp, Interval
from applet_sdk.values import Json, encode


class Values(unittest.TestCase):
    def test_s4_70_every_type_of_parameter(self):
        key = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")
        east = timezone(timedelta(hours=2))
        for value, encoded in [
            (None, ("null", None)),
            (True, ("boolean", True)),
            (7, ("integer", 7)),
            (0.5, ("float", 0.5)),
            ("naïve", ("text", "naïve")),
            (b"\x00\xff", ("bytes", b"\x00\xff")),
            (bytearray(b"a"), ("bytes", b"a")),
            (memoryview(b"a"), ("bytes", b"a")),
            (key, ("text", str(key))),
            (Decimal("0.70"), ("text", "0.70")),
            (Decimal("-NaN"), ("text", "NaN")),
            (Decimal("Infinity"), ("text", "Infinity")),
            (date(2026, 1, 31), ("text", "2026-01-31")),
            (time(1, 2, 3, 4), ("text", "01:02:03.000004")),
            (datetime(2026, 1, 31, 1, 2, 3, 4), ("text", "2026-01-31T01:02:03.000004")),
            (datetime(2026, 1, 31, 1, tzinfo=UTC), ("text", "2026-01-31T01:00:00+00:00")),
            (datetime(2026, 1, 31, 1, tzinfo=east), ("text", "2026-01-30T23:00:00+00:00")),
            (timedelta(days=-1, microseconds=5), ("text", "0 months -1 days 5 microseconds")),
            (Interval(1, 2, 3), ("text", "1 months 2 days 3 microseconds")),
            (ExactDate(0), ("text", "1970-01-01")),
            (ExactTime(0), ("text", "00:00:00")),
            (ExactTimestamp(0), ("text", "1970-01-01T00:00:00Z")),
            ({"a": [1, None]}, ("json", '{"a": [1, null]}')),
            ([1, "x"], ("json", '[1, "x"]')),
            ((), ("json", "[]")),
            (Json.of("x"), ("json", '"x"')),
            (Json("[1]"), ("json", "[1]")),
        ]:
            with self.subTest(value=value):
                self.assertEqual(encode(value), encoded)
                self.assertIs(type(encode(value)[1]), type(encoded[1]))

    def test_s4_70_whole_numbers_lose_no_digit_at_the_edges(self):
        class Level(enum.IntEnum):
            LOW = 1

        self.assertEqual(encode((1 << 63) - 1), ("integer", (1 << 63) - 1))
        self.assertEqual(encode(-(1 << 63)), ("integer", -(1 << 63)))
        self.assertEqual(encode(1 << 63), ("text", "9223372036854775808"))
        self.assertEqual(encode(-(1 << 63) - 1), ("text", "-9223372036854775809"))
        self.assertEqual(encode(Level.LOW), ("integer", 1))

    def test_s4_70_what_cannot_be_stored_is_an_error(self):
        for value in [
            "\ud800",
            {"a": "\ud800"},
            Json('"\ud800"'),
            Decimal("sNaN"),
            time(1, tzinfo=UTC),
            object(),
            {1, 2},
            {"a": object()},
            [float("nan")],
            1j,
        ]:
            with self.subTest(value=repr(value)):
                self.assertRaises(BuilderError, encode, value)


if __name__ == "__main__":
    unittest.main()
