/// <reference path="./host.d.ts" />
/**
 * Write applets in TypeScript.
 *
 * An applet is a WebAssembly component whose hooks the host calls. It reaches nothing but the database, a log
 * and a clock, and of the database only the rows of the tenant that it is called for, in the tables that its
 * manifest asks for and an admin granted.
 *
 * ```ts
 * import { applet, sdk } from "@applet-host/sdk";
 *
 * export default applet({
 *   named: {
 *     count: async ({ since }: { since: string }) =>
 *       sdk.db.query("SELECT count(*) AS clients FROM clients WHERE created_at > $1", [since]),
 *   },
 * });
 * ```
 */

import { current, type Invocation } from "./context.js";
import { Database } from "./database.js";
import { log } from "./log.js";
import type { AnyDatabase, DatabaseOf } from "./types.js";

/** Everything an applet reaches. */
export interface Sdk<DB extends DatabaseOf<DB> = AnyDatabase> {
  /** The tenant's database, as far as it was granted. */
  readonly db: Database<DB>;
  /** The invocation that is served: who is calling, for whom, and what was granted. */
  readonly context: Invocation;
  /** Lines for the applet's log. */
  readonly log: typeof log;
}

/** How values are handed over. */
export interface SdkOptions {
  /**
   * Values without any loss: `bigint` for 64 bit integers, text for decimals and JSON, and the classes
   * {@link Timestamp}, {@link CalendarDate}, {@link TimeOfDay} and {@link Interval}. Without it, a value that
   * JavaScript's own types cannot hold is an error.
   */
  readonly exact?: boolean;
}

/**
 * An SDK that knows the tables: `const sdk = createSdk<Database>()`, with the `Database` that `applet types`
 * writes.
 */
export function createSdk<DB extends DatabaseOf<DB> = AnyDatabase>(options: SdkOptions = {}): Sdk<DB> {
  return {
    db: new Database<DB>(options.exact ?? false),
    get context() {
      return current();
    },
    log,
  };
}

/** An SDK to which every table is as good as any other; see {@link createSdk}. */
export const sdk: Sdk = createSdk();

export { applet, Applet, type Hooks, JsonText, type NamedHook } from "./applet.js";
export { type Direction, type InsertedRow, type Operator, Query } from "./builder.js";
export { type Invocation, type Permission } from "./context.js";
export { type BatchStatement, Database, Session, Transaction } from "./database.js";
export * from "./errors.js";
export { log } from "./log.js";
export type { ExactCell } from "./packed-rows.js";
export { Bound, type Json, param, type Parameter } from "./parameters.js";
export type { JsonRows, ResultInfo, Rows } from "./rows.js";
export { CalendarDate, Interval, TimeOfDay, Timestamp } from "./time.js";
export type { AnyDatabase, AnyRow, DatabaseOf, RowOf, TableShape } from "./types.js";
