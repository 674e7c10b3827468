/** Lines for the applet's log. At most 16 KiB per invocation are kept. */

import { type Level, write } from "applet:host/log@0.1.0";

import { isMaking } from "./state.js";
import { toWellFormed } from "./text.js";

/** Writes a line; while the component is made there is nobody to read it. */
function line(level: Level, message: string): void {
  if (!isMaking()) {
    write(level, toWellFormed(message));
  }
}

/** Writes lines of four levels. */
export const log = {
  /** Details for the developer. */
  debug: (message: string): void => line("debug", message),
  /** What happens normally. */
  info: (message: string): void => line("info", message),
  /** Worth a look. */
  warn: (message: string): void => line("warn", message),
  /** Something failed. */
  error: (message: string): void => line("error", message),
} as const;
