/** Rows as exact values, from the host's packed encoding: no digit and no microsecond is lost. */

import type { ColumnType, Rows as HostRows } from "applet:host/db@0.1.0";

import { DecodeError } from "./errors.js";
import { columnNames } from "./json-rows.js";
import { fromUtf8, toHex } from "./text.js";
import { CalendarDate, Interval, TimeOfDay, Timestamp } from "./time.js";

const NULL = 0xffff_ffff;

/** A cell of a result in exact mode. */
export type ExactCell =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | CalendarDate
  | TimeOfDay
  | Timestamp
  | Interval;

/** The rows, as objects. */
export function fromPackedRows(rows: HostRows): Record<string, ExactCell>[] {
  const names = columnNames(rows.columns);
  const bytes = rows.data;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoded: Record<string, ExactCell>[] = [];
  let at = 0;
  for (let count = 0; count < rows.count; count++) {
    const row: Record<string, ExactCell> = {};
    rows.columns.forEach((column, place) => {
      const name = names[place] ?? "";
      try {
        const length = view.getUint32(at, true);
        at += 4;
        if (length === NULL) {
          row[name] = null;
          return;
        }
        const cell = new DataView(view.buffer, view.byteOffset + at, length);
        row[name] = READS[column.kind](cell);
        at += length;
      } catch (error) {
        throw new DecodeError(`the cells of column \`${name}\` are damaged: ${(error as Error).message}`, name);
      }
    });
    decoded.push(row);
  }
  return decoded;
}

function bytesOf(cell: DataView): Uint8Array {
  return new Uint8Array(cell.buffer, cell.byteOffset, cell.byteLength);
}

function textOf(cell: DataView): string {
  return fromUtf8(bytesOf(cell));
}

const READS: Readonly<Record<ColumnType, (cell: DataView) => ExactCell>> = {
  boolean: (cell) => cell.getUint8(0) !== 0,
  int16: (cell) => cell.getInt16(0, true),
  int32: (cell) => cell.getInt32(0, true),
  int64: (cell) => cell.getBigInt64(0, true),
  float32: (cell) => cell.getFloat32(0, true),
  float64: (cell) => cell.getFloat64(0, true),
  numeric: textOf,
  text: textOf,
  // A copy, so that a cell that is kept does not keep the whole result.
  bytes: (cell) => bytesOf(cell).slice(),
  uuid: (cell) => toHex(bytesOf(cell)).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
  date: (cell) => new CalendarDate(cell.getInt32(0, true)),
  time: (cell) => new TimeOfDay(cell.getBigInt64(0, true)),
  timestamp: (cell) => new Timestamp(cell.getBigInt64(0, true)),
  timestamptz: (cell) => new Timestamp(cell.getBigInt64(0, true)),
  interval: (cell) => new Interval(cell.getInt32(0, true), cell.getInt32(4, true), cell.getBigInt64(8, true)),
  json: textOf,
  array: textOf,
};
