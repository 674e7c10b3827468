import json
import math
import struct
import unittest
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from applet_sdk.cells import ColumnType
from applet_sdk.errors import DecodeError
from applet_sdk.exact import ExactDate, ExactTime, ExactTimestamp, Interval
from applet_sdk.rows import Column, Rows
from applet_sdk.shapes import to_json_text

MICROS_PER_DAY = 86_400_000_000


def rows(columns: dict[str, ColumnType], *cells: bytes | None) -> Rows:
    data = b"".join(b"\xff" * 4 if cell is None else struct.pack("<I", len(cell)) + cell for cell in cells)
    described = [Column(name, kind) for name, kind in columns.items()]
    return Rows.unpack(described, len(cells) // len(columns), data, truncated=False, affected=0)


def one(kind: ColumnType, layout: str, *numbers: object) -> Rows:
    return rows({"c": kind}, struct.pack(f"<{layout}", *numbers))


@dataclass
class Client:
    id: int
    name: str | None
    note: str = "none"


class RowsTest(unittest.TestCase):
    def test_s4_70_rows_are_read_by_name_by_place_and_as_dataclasses(self):
        found = rows(
            {"id": ColumnType.INT64, "name": ColumnType.TEXT},
            *(struct.pack("<q", 7), b"Ada", struct.pack("<q", 8), None),
        )
        self.assertEqual(found.decode(Client), [Client(7, "Ada"), Client(8, None)])
        second = found[1]
        self.assertEqual((second["id"], second[0], second["name"]), (8, 8, None))
        self.assertEqual(dict(found[0]), {"id": 7, "name": "Ada"})
        self.assertEqual(found[0].values_by_place(), (7, "Ada"))
        self.assertEqual([row["id"] for row in found[1:]], [8])
        self.assertEqual(found.scalar(), 7)
        with self.assertRaisesRegex(DecodeError, "`nmae`"):
            second["nmae"]
        for place in (2, -1):
            with self.assertRaises(DecodeError):
                second[place]

    def test_of_columns_with_the_same_name_the_first_is_found(self):
        data = b"".join(struct.pack("<Ii", 4, number) for number in (1, 2, 3))
        described = [Column(name, ColumnType.INT32) for name in ("id", "n", "id")]
        row = Rows.unpack(described, 1, data, truncated=False, affected=0)[0]
        self.assertEqual((row["id"], row[2], list(row), len(row)), (1, 3, ["id", "n"], 2))
        self.assertEqual(row.to_json(), {"id": 1, "n": 2})

    def test_no_row(self):
        none = rows({"id": ColumnType.INT64})
        self.assertIsNone(none.first())
        self.assertFalse(none)
        with self.assertRaises(DecodeError):
            none.scalar()

    def test_s4_70_a_dataclass_that_does_not_fit_names_the_column(self):
        @dataclass
        class Wrong:
            name: int

        found = rows({"name": ColumnType.TEXT}, b"Ada")
        with self.assertRaisesRegex(DecodeError, "column `name` has to be a whole number"):
            found.decode(Wrong)
        with self.assertRaisesRegex(DecodeError, "no column `id`"):
            found.decode(Client)

    def test_s4_70_every_kind_of_cell(self):
        key = uuid.UUID(int=7)
        for kind, raw, value, written in [
            (ColumnType.BOOLEAN, b"\x01", True, True),
            (ColumnType.INT16, struct.pack("<h", -(1 << 15)), -(1 << 15), -(1 << 15)),
            (ColumnType.INT32, struct.pack("<i", (1 << 31) - 1), (1 << 31) - 1, (1 << 31) - 1),
            (ColumnType.INT64, struct.pack("<q", -(1 << 63)), -(1 << 63), "-9223372036854775808"),
            (ColumnType.INT64, struct.pack("<q", 1 << 53), 1 << 53, 1 << 53),
            (ColumnType.INT64, struct.pack("<q", (1 << 53) + 1), (1 << 53) + 1, "9007199254740993"),
            (ColumnType.FLOAT32, struct.pack("<f", 1.5), 1.5, 1.5),
            (ColumnType.FLOAT64, struct.pack("<d", 5e-324), 5e-324, 5e-324),
            (ColumnType.FLOAT64, struct.pack("<d", math.inf), math.inf, "Infinity"),
            (ColumnType.NUMERIC, b"0.70", Decimal("0.70"), "0.70"),
            (ColumnType.NUMERIC, b"9" * 1000, Decimal("9" * 1000), "9" * 1000),
            (ColumnType.TEXT, "naïve\0".encode(), "naïve\0", "naïve\0"),
            (ColumnType.TEXT, b"", "", ""),
            (ColumnType.BYTES, b"\xff\x00", b"\xff\x00", "\\xff00"),
            (ColumnType.UUID, key.bytes, key, str(key)),
            (ColumnType.DATE, struct.pack("<i", 1), date(1970, 1, 2), "1970-01-02"),
            (ColumnType.TIME, struct.pack("<q", 1), time(microsecond=1), "00:00:00.000001"),
            (
                ColumnType.TIMESTAMP,
                struct.pack("<q", -1),
                datetime(1969, 12, 31, 23, 59, 59, 999999),
                "1969-12-31T23:59:59.999999",
            ),
            (ColumnType.TIMESTAMPTZ, struct.pack("<q", 0), datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00Z"),
            (
                ColumnType.INTERVAL,
                struct.pack("<iiq", 0, -2, 3),
                timedelta(days=-2, microseconds=3),
                "0 months -2 days 3 microseconds",
            ),
            (
                ColumnType.JSON,
                b'{"a": [1, 12345678901234567890]}',
                {"a": [1, 12345678901234567890]},
                {"a": [1, 12345678901234567890]},
            ),
            (ColumnType.ARRAY, b"[1,null]", [1, None], [1, None]),
        ]:
            with self.subTest(kind=kind, value=value):
                found = rows({"c": kind}, raw)
                self.assertEqual(found.scalar(), value)
                self.assertIs(type(found.scalar()), type(value))
                self.assertEqual(found.to_json(), [{"c": written}])
                json.loads(to_json_text(found))

    def test_s4_70_nan_is_read_and_written(self):
        found = one(ColumnType.FLOAT64, "d", math.nan)
        self.assertTrue(math.isnan(found.scalar()))
        self.assertEqual(found.to_json(), [{"c": "NaN"}])
        self.assertTrue(rows({"c": ColumnType.NUMERIC}, b"NaN").scalar().is_nan())

    def test_s4_70_the_edges_of_python_are_met_exactly(self):
        for value in (date.min, date.max):
            days = value.toordinal() - date(1970, 1, 1).toordinal()
            self.assertEqual(one(ColumnType.DATE, "i", days).scalar(), value)
            beyond = one(ColumnType.DATE, "i", days + (1 if value == date.max else -1))
            self.assertRaises(DecodeError, beyond.scalar)
        for value in (datetime.min, datetime.max):
            micros = (value - datetime(1970, 1, 1)) // timedelta(microseconds=1)
            self.assertEqual(one(ColumnType.TIMESTAMP, "q", micros).scalar(), value)
            beyond = one(ColumnType.TIMESTAMPTZ, "q", micros + (1 if value == datetime.max else -1))
            self.assertRaises(DecodeError, beyond.scalar)
        self.assertEqual(one(ColumnType.TIME, "q", MICROS_PER_DAY - 1).scalar(), time.max)
        self.assertRaises(DecodeError, one(ColumnType.TIME, "q", MICROS_PER_DAY).scalar)
        self.assertEqual(one(ColumnType.INTERVAL, "iiq", 0, 999_999_999, MICROS_PER_DAY - 1).scalar(), timedelta.max)
        self.assertRaises(DecodeError, one(ColumnType.INTERVAL, "iiq", 0, 1_000_000_000, 0).scalar)
        self.assertRaises(DecodeError, one(ColumnType.INTERVAL, "iiq", 0, (1 << 31) - 1, (1 << 63) - 1).scalar)

    def test_s4_70_what_python_cannot_hold_is_an_error_that_names_the_column_and_can_be_read_exactly(self):
        for kind, layout, numbers, exact, text in [
            (ColumnType.DATE, "i", ((1 << 31) - 1,), ExactDate((1 << 31) - 1), "infinity"),
            (ColumnType.DATE, "i", (-(1 << 31),), ExactDate(-(1 << 31)), "-infinity"),
            (ColumnType.DATE, "i", (-719_529,), ExactDate(-719_529), "0002-12-31 BC"),
            (ColumnType.DATE, "i", (2_932_897,), ExactDate(2_932_897), "10000-01-01"),
            (ColumnType.TIME, "q", (MICROS_PER_DAY,), ExactTime(MICROS_PER_DAY), "24:00:00"),
            (ColumnType.TIMESTAMP, "q", ((1 << 63) - 1,), ExactTimestamp((1 << 63) - 1, zoned=False), "infinity"),
            (ColumnType.TIMESTAMPTZ, "q", (-(1 << 63),), ExactTimestamp(-(1 << 63)), "-infinity"),
            (
                ColumnType.TIMESTAMPTZ,
                "q",
                (-719_529 * MICROS_PER_DAY,),
                ExactTimestamp(-719_529 * MICROS_PER_DAY),
                "0002-12-31T00:00:00Z BC",
            ),
            (ColumnType.INTERVAL, "iiq", (1, 2, 3), Interval(1, 2, 3), "1 months 2 days 3 microseconds"),
        ]:
            with self.subTest(exact=exact):
                found = one(kind, layout, *numbers)
                with self.assertRaisesRegex(DecodeError, r"column `c`: .*row\.exact\('c'\)"):
                    found.scalar()
                self.assertEqual(found[0].exact("c"), exact)
                self.assertEqual((str(exact), found.to_json()), (text, [{"c": text}]))

    def test_s4_70_one_cell_that_does_not_fit_leaves_the_others_readable(self):
        found = rows(
            {"id": ColumnType.INT32, "born": ColumnType.DATE}, struct.pack("<i", 7), struct.pack("<i", (1 << 31) - 1)
        )
        self.assertEqual(found[0]["id"], 7)
        self.assertTrue(found[0].exact("born").is_infinite)

    def test_s4_70_exact_cells_are_the_text_that_came(self):
        found = rows({"n": ColumnType.NUMERIC, "j": ColumnType.JSON}, b"0.0000001", b'{"a":1.10}')
        self.assertEqual((found[0].exact("n"), found[0].exact("j")), ("0.0000001", '{"a":1.10}'))

    def test_s4_70_damaged_buffers_are_errors(self):
        column = [Column("id", ColumnType.INT64)]
        for data in (b"", b"\x08\0\0", struct.pack("<I", 8) + b"1234567", struct.pack("<I", 0xFFFF_FFFE)):
            with self.assertRaisesRegex(DecodeError, "column `id` are damaged"):
                Rows.unpack(column, 1, data, truncated=False, affected=0)
        for kind, raw in [
            (ColumnType.INT64, b"12"),
            (ColumnType.BOOLEAN, b""),
            (ColumnType.UUID, b"1"),
            (ColumnType.TEXT, b"\xff"),
            (ColumnType.INTERVAL, b"1"),
            (ColumnType.JSON, b"{"),
            (ColumnType.JSON, b"[" * 100_000),
            (ColumnType.JSON, b"1e999"),
            (ColumnType.NUMERIC, b"x"),
        ]:
            with self.subTest(kind=kind), self.assertRaises(DecodeError):
                rows({"c": kind}, raw).scalar()


if __name__ == "__main__":
    unittest.main()
