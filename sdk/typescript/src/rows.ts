/** Results: arrays of rows that know a little more. */

import type { Column, Encoding, Rows as HostRows } from "applet:host/db@0.1.0";

import { fromJsonRows } from "./json-rows.js";
import { fromPackedRows } from "./packed-rows.js";
import { fromUtf8 } from "./text.js";

/** What is known of a result beside its rows. */
export interface ResultInfo {
  /** The columns, left to right. */
  readonly columns: readonly Readonly<Column>[];
  /** Whether the host left rows out because there were more than its cap. */
  readonly truncated: boolean;
  /** Rows changed by a write, rows returned by a read. */
  readonly affected: number;
}

/** The rows of a result: an array, with {@link ResultInfo}. */
export type Rows<Row> = Row[] & ResultInfo;

/** The rows of a result as the host's JSON text. */
export interface JsonRows extends ResultInfo {
  /** An array of rows, each an array of values. Numbers beyond 2^53 and decimals are strings. */
  readonly json: string;
  /** How many rows that are. */
  readonly count: number;
}

/** How this mode has its rows handed over. */
export function encodingOf(exact: boolean): Encoding {
  return exact ? "packed" : "json";
}

/** The rows of the host as those of the applet. */
export function decode<Row>(rows: HostRows, exact: boolean): Rows<Row> {
  const decoded = (exact ? fromPackedRows(rows) : fromJsonRows(rows)) as Row[];
  const info = infoOf(rows);
  // Not enumerable, so that a result is written and compared like any other array.
  for (const [name, value] of Object.entries(info)) {
    Object.defineProperty(decoded, name, { value });
  }
  return decoded as Rows<Row>;
}

/** The rows as they came. */
export function asJson(rows: HostRows): JsonRows {
  return { ...infoOf(rows), json: fromUtf8(rows.data), count: rows.count };
}

function infoOf(rows: HostRows): ResultInfo {
  return { columns: rows.columns, truncated: rows.truncated, affected: Number(rows.affected) };
}
