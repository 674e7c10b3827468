/** Which decimal numbers a JavaScript number holds without losing a digit (SPEC Decision 6). */

/** As many significant digits always survive. */
const SURE_DIGITS = 15;

const DECIMAL = /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;

/** Sign, significant digits, and how far the point is moved: equal for equal numbers. */
function normalise(text: string): [string, string, number] | null {
  const read = DECIMAL.exec(text);
  if (read === null) {
    return null;
  }
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = read;
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  const moved = Number(exponent) - fraction.length + (digits.length - significant.length);
  return significant === "" ? ["", "", 0] : [sign, significant, moved];
}

/**
 * The number that has just these digits, also when it is written again, or null where there is none. NaN and the
 * infinities are numbers.
 */
export function exactNumber(text: string): number | null {
  const number = Number(text);
  if (text.length <= SURE_DIGITS && !text.includes("e") && !text.includes("E")) {
    return number;
  }
  const read = normalise(text);
  if (read === null) {
    return number;
  }
  const [sign, digits, moved] = read;
  if (digits.length <= SURE_DIGITS && Math.abs(moved) < 290) {
    return number;
  }
  const back = normalise(String(number));
  return back !== null && back[0] === sign && back[1] === digits && back[2] === moved ? number : null;
}
