/**
 * Rows as ordinary JavaScript values, from the host's JSON encoding: the engine's own parser reads a whole
 * result at once. What a value cannot hold is an error that names the column, never a wrong value.
 */

import type { Column, ColumnType, Rows as HostRows } from "applet:host/db@0.1.0";

import { DecodeError } from "./errors.js";
import { exactNumber } from "./numbers.js";
import { fromHex, fromUtf8 } from "./text.js";
import { readDate } from "./time.js";

type Cells = readonly unknown[];
type Convert = (cell: unknown, column: string) => unknown;

/** What a row may not have as the name of a column: assigning to it would do something else. */
const NO_PROPERTY = "__proto__";

/** A number with more digits than are sure to survive, or an exponent: a closer look is due. */
const SUSPICIOUS = /[\d.]{16}|\d[eE]/;

/** A string, a bracket, a comma or colon, or what stands between them: the parts of JSON. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s"[\]{},:]+/g;

/** The names of a result's columns. Two of one name would leave one of them out of every row. */
export function columnNames(columns: readonly Column[]): string[] {
  const names = columns.map((column) => column.name);
  names.forEach((name, place) => {
    if (name === NO_PROPERTY || names.indexOf(name) !== place) {
      const what = name === NO_PROPERTY ? `a column is named \`${name}\`` : `two columns are named \`${name}\``;
      throw new DecodeError(`${what}: select fewer, or rename one with AS`, name);
    }
  });
  return names;
}

/** The rows, as objects. */
export function fromJsonRows(rows: HostRows): Record<string, unknown>[] {
  const names = columnNames(rows.columns);
  const text = fromUtf8(rows.data);
  const table = JSON.parse(text) as Cells[];
  checkNumbersInside(rows.columns, text);
  const converts = rows.columns.map((column) => CONVERTS[column.kind]);
  const decoded: Record<string, unknown>[] = [];
  for (const cells of table) {
    const row: Record<string, unknown> = {};
    // Every cell of every result comes through here: no closure for each.
    for (let place = 0; place < names.length; place++) {
      const convert = converts[place];
      const cell = cells[place];
      const name = names[place] as string;
      row[name] = convert === undefined || cell === null ? cell : convert(cell, name);
    }
    decoded.push(row);
  }
  return decoded;
}

const CONVERTS: Readonly<Partial<Record<ColumnType, Convert>>> = {
  int64: (cell, column) => (typeof cell === "number" ? cell : number(cell as string, column)),
  numeric: (cell, column) => number(cell as string, column),
  float32: (cell) => Number(cell),
  float64: (cell) => Number(cell),
  bytes: (cell) => fromHex(cell as string, 2),
  timestamptz: (cell, column) => {
    const date = readDate(cell as string);
    if (Number.isNaN(date.getTime())) {
      throw new DecodeError(`column \`${column}\` holds \`${cell as string}\`, which a Date cannot hold`, column);
    }
    return date;
  },
};

function number(text: string, column: string): number {
  const read = exactNumber(text);
  if (read === null) {
    throw tooExact(text, column);
  }
  return read;
}

function tooExact(text: string, column: string): DecodeError {
  return new DecodeError(
    `column \`${column}\` holds ${text.length > 40 ? `a number of ${text.length} characters` : text}, ` +
      "which a number cannot hold exactly: ask for exact values",
    column,
  );
}

/** JSON cells are read with everything else, so numbers in them were rounded where they had to be. */
function checkNumbersInside(columns: readonly Column[], text: string): void {
  const nested = columns.map((column) => column.kind === "json" || column.kind === "array");
  if (!nested.includes(true) || !SUSPICIOUS.test(text)) {
    return;
  }
  let depth = 0;
  let place = 0;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "[" || token === "{") {
      depth += 1;
      place = depth === 2 ? 0 : place;
    } else if (token === "]" || token === "}") {
      depth -= 1;
    } else if (token === ",") {
      place += depth === 2 ? 1 : 0;
    } else if (nested[place] === true && /^[-\d]/.test(token) && exactNumber(token) === null) {
      throw tooExact(token, columns[place]?.name ?? "");
    }
  }
}
