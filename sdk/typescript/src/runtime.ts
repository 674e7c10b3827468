/**
 * What the engine lacks and applets expect: promises that go on within a hook, `console`, and chance.
 *
 * A component is a snapshot of an engine that has read the applet. Whatever the engine drew at random then is
 * part of the snapshot, the same in every instance; so chance comes from the host, call by call.
 */

import type { Level } from "applet:host/log@0.1.0";
import { getRandomBytes } from "wasi:random/random@0.2.0";

import { log } from "./log.js";
import { install } from "./promise.js";
import { beginMaking, isMaking, tooEarly } from "./state.js";
import { toHex } from "./text.js";

/** The most bytes the host gives at once. */
const CHUNK = 65_536;

/** Bytes that nobody can foretell, or, while the component is made, bytes that all its instances begin with. */
function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += CHUNK) {
    bytes.set(getRandomBytes(Math.min(CHUNK, length - at)), at);
  }
  return bytes;
}

/** A secret that is drawn too early would be the same for everybody. */
function checkTime(): void {
  if (isMaking()) {
    throw tooEarly("randomness");
  }
}

function fill<T extends ArrayBufferView>(view: T): T {
  checkTime();
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(randomBytes(view.byteLength));
  return view;
}

/** A version 4 UUID. */
function randomUuid(): string {
  checkTime();
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** 53 random bits as a number from 0 up to but not 1. */
function random(): number {
  const bits = new DataView(randomBytes(8).buffer);
  return (bits.getUint32(0) * 2 ** 21 + (bits.getUint32(4) >>> 11)) / 2 ** 53;
}

/** As a console shows a value: text as it is, the rest as JSON where it has one. */
function show(value: unknown): string {
  if (typeof value === "string") {
    return value;
  }
  if (value instanceof Error) {
    return value.stack ? `${String(value)}\n${value.stack}` : String(value);
  }
  try {
    const plain = (_: string, inner: unknown): unknown => (typeof inner === "bigint" ? String(inner) : inner);
    return JSON.stringify(value, plain) ?? String(value);
  } catch {
    return String(value);
  }
}

function line(level: Level) {
  return (...values: unknown[]): void => log[level](values.map(show).join(" "));
}

beginMaking();
install();
Math.random = random;
Object.assign(globalThis, {
  console: { debug: line("debug"), log: line("info"), info: line("info"), warn: line("warn"), error: line("error") },
  crypto: { getRandomValues: fill, randomUUID: randomUuid },
});
