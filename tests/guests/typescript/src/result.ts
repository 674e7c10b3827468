/** Results as the suite writes them. */

import { CalendarDate, type ExactCell, Interval, type Rows, TimeOfDay, Timestamp } from "@applet-host/sdk";

/** A result of exact cells. */
export function result(rows: Rows<Record<string, ExactCell>>) {
  const { columns, truncated, affected } = rows;
  return {
    columns: columns.map(({ name, kind }) => [name, kind]),
    rows: rows.map((row) => columns.map(({ name, kind }) => cell(row[name] ?? null, kind))),
    count: rows.length,
    truncated,
    affected,
  };
}

function cell(value: ExactCell, kind: string): null | boolean | number | string {
  if (value instanceof Uint8Array) {
    return hex(value);
  }
  if (value instanceof CalendarDate) {
    return String(value.days);
  }
  if (value instanceof TimeOfDay || value instanceof Timestamp) {
    return String(value.microseconds);
  }
  if (value instanceof Interval) {
    return `${value.months} ${value.days} ${value.microseconds}`;
  }
  if (typeof value === "bigint") {
    return String(value);
  }
  return typeof value === "number" && kind.startsWith("float") ? bits(value, kind) : value;
}

function bits(number: number, kind: string): string {
  const view = new DataView(new ArrayBuffer(kind === "float32" ? 4 : 8));
  if (kind === "float32") {
    view.setFloat32(0, number);
  } else {
    view.setFloat64(0, number);
  }
  return hex(new Uint8Array(view.buffer));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
