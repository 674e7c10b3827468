import assert from "node:assert/strict";
import { test } from "node:test";

import type { ColumnType, Rows } from "applet:host/db@0.1.0";

import { fromJsonRows } from "../src/json-rows.js";
import { exactNumber } from "../src/numbers.js";
import { fromPackedRows } from "../src/packed-rows.js";
import { param, toValues } from "../src/parameters.js";
import { fromUtf8 } from "../src/text.js";
import { CalendarDate, Interval, readDate, TimeOfDay, Timestamp, writeDate } from "../src/time.js";
import { rows } from "./host.js";

const one = (kind: ColumnType, cell: string): unknown => fromJsonRows(rows([["c", kind]], `[[${cell}]]`))[0]?.["c"];

test("decision 6: a number is one when it has just these digits", () => {
  for (const text of ["0", "-7", "0.70", "1.10", "9007199254740992", "123456789012.25", "1e3"]) {
    assert.equal(exactNumber(text), Number(text), text);
  }
  for (const text of ["9007199254740993", "-9007199254740993", "1152921504606846976", "0.1234567890123456789", "12345678901234567890.5", "1e999"]) {
    assert.equal(exactNumber(text), null, text);
  }
  assert.ok(Number.isNaN(exactNumber("NaN")));
  assert.equal(exactNumber("-Infinity"), Number.NEGATIVE_INFINITY);
});

test("s4_70: cells become JavaScript's own values", () => {
  assert.equal(one("int64", "7"), 7);
  assert.equal(one("numeric", '"0.70"'), 0.7);
  assert.equal(one("float64", '"Infinity"'), Number.POSITIVE_INFINITY);
  assert.deepEqual(one("bytes", '"\\\\x00ff"'), new Uint8Array([0, 255]));
  assert.deepEqual(one("timestamptz", '"2026-01-31T13:05:00.25Z"'), new Date(Date.UTC(2026, 0, 31, 13, 5, 0, 250)));
  assert.deepEqual(one("json", '{"a":[1,null,"naïve 😀"]}'), { a: [1, null, "naïve 😀"] });
  assert.equal(one("date", '"2026-01-31"'), "2026-01-31");
  assert.equal(one("timestamptz", "null"), null);
});

test("decision 6: what a value cannot hold is an error that names the column", () => {
  for (const [kind, cell] of [
    ["int64", '"9007199254740993"'],
    ["numeric", '"0.12345678901234567890"'],
    ["timestamptz", '"infinity"'],
    ["json", '{"deep":[1,{"x":12345678901234567890}]}'],
    ["json", "1e400"],
    ["array", "[0.1234567890123456789]"],
  ] as const) {
    assert.throws(() => one(kind, cell), { code: "decode", column: "c", message: /`c`/ }, cell);
  }
});

test("decision 6: digits inside text are text, and the column that is named is the right one", () => {
  const columns: [string, ColumnType][] = [["t", "text"], ["a", "json"], ["b", "json"], ["u", "text"]];
  const text = '"12345678901234567890, [1e9]"';
  const fine = fromJsonRows(rows(columns, `[[${text},{"k":[1,2]},[],"]\\"12345678901234567890"],["",1,2,""]]`));
  assert.deepEqual(fine[0]?.["a"], { k: [1, 2] });
  assert.throws(
    () => fromJsonRows(rows(columns, `[["",1,2,""],[${text},{"k":[1,{"l":2}]},12345678901234567890,""]]`)),
    { column: "b" },
  );
});

test("two columns of one name are an error, and so is a name that is none of an object", () => {
  assert.throws(() => fromJsonRows(rows([["id", "int32"], ["id", "int32"]], "[]")), /two columns are named `id`/);
  assert.throws(() => fromJsonRows(rows([["__proto__", "int32"]], "[]")), { code: "decode" });
});

test("s4_70: exact cells lose nothing", () => {
  const cells: [ColumnType, number[]][] = [
    ["boolean", [1]],
    ["int16", [0xfd, 0xff]],
    ["int64", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["numeric", [...Buffer.from("0.70")]],
    ["bytes", [0, 255]],
    ["uuid", Array.from({ length: 16 }, (_, place) => place * 17)],
    ["date", [0xff, 0xff, 0xff, 0x7f]],
    ["timestamptz", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ["interval", [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]],
    ["json", [...Buffer.from('{"n":12345678901234567890}')]],
  ];
  const packed = cells.flatMap(([, bytes]) => [bytes.length, 0, 0, 0, ...bytes]);
  const result: Rows = {
    columns: [...cells.map(([kind], place) => ({ name: `c${place}`, kind })), { name: "n", kind: "text" as const }],
    count: 1,
    truncated: false,
    affected: 0,
    data: new Uint8Array([...packed, 255, 255, 255, 255]),
  };
  const [row] = fromPackedRows(result);
  assert.deepEqual(Object.values(row ?? {}), [
    true,
    -3,
    2n ** 63n - 1n,
    "0.70",
    new Uint8Array([0, 255]),
    "00112233-4455-6677-8899-aabbccddeeff",
    new CalendarDate(2 ** 31 - 1),
    new Timestamp(-1n),
    new Interval(1, 2, 3n),
    '{"n":12345678901234567890}',
    null,
  ]);
  assert.throws(() => fromPackedRows({ ...result, data: result.data.slice(0, 9) }), { code: "decode", column: "c1" });
});

test("parameters keep what they are", () => {
  const given = [null, true, 7, -0, 0.5, 2 ** 53, 9007199254740993n, 5n, "naïve", new Uint8Array([1]), { a: [1] }, [1, 2]];
  assert.deepEqual(toValues([...given, param.json("x"), param.float(1), new Date(0), new Timestamp(1n)]), [
    { tag: "null" },
    { tag: "boolean", val: true },
    { tag: "integer", val: 7 },
    { tag: "float", val: -0 },
    { tag: "float", val: 0.5 },
    { tag: "float", val: 2 ** 53 },
    { tag: "text", val: "9007199254740993" },
    { tag: "integer", val: 5 },
    { tag: "text", val: "naïve" },
    { tag: "bytes", val: new Uint8Array([1]) },
    { tag: "json", val: '{"a":[1]}' },
    { tag: "json", val: "[1,2]" },
    { tag: "json", val: '"x"' },
    { tag: "float", val: 1 },
    { tag: "text", val: "1970-01-01T00:00:00Z" },
    { tag: "text", val: "1970-01-01T00:00:00.000001Z" },
  ]);
});

test("what is no parameter is refused before it reaches the host, with its place", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  for (const wrong of [undefined, () => 1, Symbol("s"), new Map(), Promise.resolve(1), cycle, new Date("x"), "\ud800", { a: 1n }]) {
    assert.throws(() => toValues([1, wrong]), { code: "builder", message: /`\$2`/ });
  }
});

test("moments are written as PostgreSQL reads them, and read as it writes them", () => {
  for (const [micros, text] of [
    [0n, "1970-01-01T00:00:00Z"],
    [-1n, "1969-12-31T23:59:59.999999Z"],
    [1_700_000_000_123_000n, "2023-11-14T22:13:20.123Z"],
    [-(2n ** 63n), "-infinity"],
    [-62_198_755_200_000_000n, "0002-01-01T00:00:00Z BC"],
  ] as const) {
    assert.equal(new Timestamp(micros).toString(), text);
  }
  assert.equal(new CalendarDate(11_016).toString(), "2000-02-29");
  assert.equal(new TimeOfDay(3_661_000_001n).toString(), "01:01:01.000001");
  for (const time of [0, -1, 253_402_300_800_000, -62_198_755_200_000, -8.64e15, 8.64e15]) {
    assert.equal(readDate(writeDate(new Date(time))).getTime(), time);
  }
  assert.ok(Number.isNaN(readDate("infinity").getTime()));
});

test("bytes are text again, whatever the characters", () => {
  for (const text of ["", "plain 100%", "naïve café", "日本語😀 and %C3%A9", "é".repeat(5_000)]) {
    assert.equal(fromUtf8(new TextEncoder().encode(text)), text);
  }
});
