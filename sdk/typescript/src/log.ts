/** Lines for the applet's log. At most 16 KiB per invocation are kept. */

import { write } from "applet:host/log@0.1.0";

import { toWellFormed } from "./text.js";

/** Writes lines of four levels. */
export const log = {
  /** Details for the developer. */
  debug: (message: string): void => write("debug", toWellFormed(message)),
  /** What happens normally. */
  info: (message: string): void => write("info", toWellFormed(message)),
  /** Worth a look. */
  warn: (message: string): void => write("warn", toWellFormed(message)),
  /** Something failed. */
  error: (message: string): void => write("error", toWellFormed(message)),
} as const;
