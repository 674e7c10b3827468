/** Text as bytes and back, on an engine without TextDecoder. */

/** Arguments of one call; more would not fit on the engine's stack. */
const CHUNK = 4_096;

const NOT_ASCII = /[\x80-\xff]+/g;

/** What the engine has; Node, for unit tests, may lack `toBase64`. */
interface Engine {
  atob(base64: string): string;
}

interface Bytes {
  toBase64?(): string;
}

/** The text of UTF-8 bytes. */
export function fromUtf8(bytes: Uint8Array): string {
  return bytewise(bytes).replace(NOT_ASCII, (run) => decodeURIComponent(escape(run)));
}

/** One character per byte. All of this runs inside the engine: a loop over the bytes takes fifty times as long. */
function bytewise(bytes: Uint8Array): string {
  const base64 = (bytes as Bytes).toBase64?.();
  if (base64 !== undefined) {
    return (globalThis as unknown as Engine).atob(base64);
  }
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK) as unknown as number[]);
  }
  return text;
}

/** Whether text can be written as UTF-8: half of a surrogate pair cannot. */
export function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}

/** The text with U+FFFD for every half of a surrogate pair. */
export function toWellFormed(text: string): string {
  return (text as unknown as { toWellFormed(): string }).toWellFormed();
}

/** Two hexadecimal digits for each byte. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes of hexadecimal digits from this place on. */
export function fromHex(digits: string, from = 0): Uint8Array {
  const bytes = new Uint8Array((digits.length - from) / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Number.parseInt(digits.slice(from + 2 * at, from + 2 * at + 2), 16);
  }
  return bytes;
}
