/** Parameters as the suite writes them. */

import { param, type Parameter } from "@applet-host/sdk";

/** One key, which says the kind. */
export interface Given {
  null?: null;
  boolean?: boolean;
  integer?: string;
  float?: string;
  text?: string;
  bytes?: string;
  json?: string;
}

/** The parameters, as the SDK takes them. */
export function parameters(given: Given[]): Parameter[] {
  return given.map(({ boolean, integer, float, text, bytes, json }) => {
    if (integer !== undefined) {
      return BigInt(integer);
    }
    if (float !== undefined) {
      const bits = new DataView(new ArrayBuffer(8));
      bits.setBigUint64(0, BigInt(`0x${float}`));
      return param.float(bits.getFloat64(0));
    }
    if (bytes !== undefined) {
      return new Uint8Array((bytes.match(/../g) ?? []).map((digits) => Number.parseInt(digits, 16)));
    }
    if (json !== undefined) {
      return param.jsonText(json);
    }
    return boolean ?? text ?? null;
  });
}
