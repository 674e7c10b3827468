/** Bind parameters: what JavaScript has, as what the host takes. */

import type { Value } from "applet:host/db@0.1.0";

import { BuilderError } from "./errors.js";
import { isWellFormed } from "./text.js";
import { CalendarDate, Interval, TimeOfDay, Timestamp, writeDate } from "./time.js";

/** Anything that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** What can be bound to `$n`. PostgreSQL says which type each parameter has; the value has to fit it. */
export type Parameter =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | CalendarDate
  | TimeOfDay
  | Timestamp
  | Interval
  | Bound
  | Json;

/** A value with its kind said outright; see {@link param}. */
export class Bound {
  /** @internal */
  readonly value: Value;

  /** @internal */
  constructor(value: Value) {
    this.value = value;
  }
}

/**
 * Says how a value is bound, where the value alone does not tell: `param.json("text")` is a JSON string,
 * `param.float(1)` a floating point number.
 */
export const param = {
  /** JSON, for `json`, `jsonb` and arrays. */
  json: (value: Json): Bound => new Bound({ tag: "json", val: wellFormed(JSON.stringify(value)) }),
  /** Text that is JSON already. */
  jsonText: (text: string): Bound => new Bound({ tag: "json", val: wellFormed(text) }),
  /** A floating point number. */
  float: (number: number): Bound => new Bound({ tag: "float", val: number }),
  /** Text; for every type but bytes, as PostgreSQL writes that type: `param.text("0.70")`. */
  text: (text: string): Bound => new Bound({ tag: "text", val: wellFormed(text) }),
} as const;

/** The parameters of a statement, as the host takes them. */
export function toValues(parameters: readonly unknown[]): Value[] {
  return parameters.map((parameter, index) => toValue(parameter, `parameter \`$${index + 1}\``));
}

function toValue(parameter: unknown, what: string): Value {
  switch (typeof parameter) {
    case "boolean":
      return { tag: "boolean", val: parameter };
    case "number":
      // A number that is whole and exact goes into any number type; -0 is one only as a float.
      return Number.isSafeInteger(parameter) && !Object.is(parameter, -0)
        ? { tag: "integer", val: parameter }
        : { tag: "float", val: parameter };
    case "bigint":
      // The engine hands over 64 bit integers as numbers; longer ones keep their digits as text.
      return -MAX_EXACT <= parameter && parameter <= MAX_EXACT
        ? { tag: "integer", val: Number(parameter) }
        : { tag: "text", val: String(parameter) };
    case "string":
      return { tag: "text", val: wellFormed(parameter, what) };
    case "object":
      return parameter === null ? { tag: "null" } : fromObject(parameter, what);
    case "undefined":
    case "function":
    case "symbol":
      throw new BuilderError(`${what} is ${typeof parameter === "undefined" ? "undefined" : `a ${typeof parameter}`}`);
  }
}

const MAX_EXACT = BigInt(Number.MAX_SAFE_INTEGER);

function fromObject(object: object, what: string): Value {
  if (object instanceof Bound) {
    return object.value;
  }
  if (object instanceof Date) {
    if (Number.isNaN(object.getTime())) {
      throw new BuilderError(`${what} is an invalid date`);
    }
    return { tag: "text", val: writeDate(object) };
  }
  if (object instanceof Uint8Array) {
    return { tag: "bytes", val: object };
  }
  if (object instanceof ArrayBuffer) {
    return { tag: "bytes", val: new Uint8Array(object) };
  }
  const timely = [CalendarDate, TimeOfDay, Timestamp, Interval].some((kind) => object instanceof kind);
  if (timely) {
    return { tag: "text", val: String(object) };
  }
  return { tag: "json", val: wellFormed(toJson(object, what), what) };
}

function toJson(object: object, what: string): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  const plain = Array.isArray(object) || prototype === Object.prototype || prototype === null;
  // A Map or a Promise would become `{}` without a word.
  if (!plain && typeof (object as { toJSON?: unknown }).toJSON !== "function") {
    throw new BuilderError(`${what} is a ${object.constructor?.name ?? "thing"}, which cannot be written as JSON`);
  }
  try {
    return JSON.stringify(object);
  } catch (error) {
    throw new BuilderError(`${what} cannot be written as JSON: ${(error as Error).message}`);
  }
}

/** Half of a surrogate pair is no text: it would end the applet at the border. */
function wellFormed(text: string | undefined, what = "a parameter"): string {
  if (text === undefined) {
    throw new BuilderError(`${what} cannot be written as JSON`);
  }
  if (!isWellFormed(text)) {
    throw new BuilderError(`${what} has half of a surrogate pair in it`);
  }
  return text;
}
