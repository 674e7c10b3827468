/**
 * Whether a hook runs, or the component is just being made: then the applet's top level is run once, on the
 * developer's machine, and what it leaves behind is what every instance begins with.
 */

let making = false;

/** From here on, until a hook is called. */
export function beginMaking(): void {
  making = true;
}

/** A hook is called. */
export function endMaking(): void {
  making = false;
}

/** Whether there is no host yet. */
export function isMaking(): boolean {
  return making;
}

/** What cannot be had before a hook runs, as an error. */
export function tooEarly(what: string): Error {
  return new Error(`${what} can be had only while a hook runs, not at the top level of a module`);
}
