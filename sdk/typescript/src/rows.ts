/** Results: arrays of rows that know a little more. */

import type { Column, Encoding, Rows as HostRows } from "applet:host/db@0.1.0";

import { fromJsonRows } from "./json-rows.js";
import { fromPackedRows } from "./packed-rows.js";

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

/** How this mode has its rows handed over. */
export function encodingOf(exact: boolean): Encoding {
  return exact ? "packed" : "json";
}

/** The rows of the host as those of the applet. */
export function decode<Row>(rows: HostRows, exact: boolean): Rows<Row> {
  const decoded = (exact ? fromPackedRows(rows) : fromJsonRows(rows)) as Row[];
  const info: ResultInfo = { columns: rows.columns, truncated: rows.truncated, affected: Number(rows.affected) };
  // Not enumerable, so that a result is written and compared like any other array.
  for (const [name, value] of Object.entries(info)) {
    Object.defineProperty(decoded, name, { value });
  }
  return decoded as Rows<Row>;
}
