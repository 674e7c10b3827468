/** Who is calling, for whom, and what was granted. */

import { current as ask } from "applet:host/context@0.1.0";

import { isMaking, tooEarly } from "./state.js";

/** What was granted on one table. */
export interface Permission {
  readonly table: string;
  /** read, insert, update, soft-delete, hard-delete */
  readonly operations: readonly string[];
  /** Whether its rows can be soft deleted, that is, whether it has a nullable `deleted_at`. */
  readonly softDeletable: boolean;
}

/** The invocation as the applet may know it. */
export interface Invocation {
  /** Follows the call through logs and audit. */
  readonly requestId: string;
  readonly tenantId: string;
  readonly workspaceId: string;
  /** Null when the platform itself calls. */
  readonly userId: string | null;
  /** The user's language, a BCP 47 tag. */
  readonly locale: string;
  readonly appletId: string;
  readonly appletVersion: string;
  /** What was granted, table by table. */
  readonly permissions: readonly Permission[];
}

/** The invocation that this instance serves. */
export function current(): Invocation {
  if (isMaking()) {
    throw tooEarly("the invocation");
  }
  const invocation = ask();
  return { ...invocation, userId: invocation.userId ?? null };
}

let known: ReadonlyMap<string, boolean> | null = null;

/** Whether rows of this table can be soft deleted, as far as the host says. Asked once per invocation. */
export function softDeletable(table: string): boolean {
  known ??= new Map(ask().permissions.map((each) => [each.table, each.softDeletable]));
  return known.get(table) ?? false;
}

/** A reused instance may serve an invocation with other grants. */
export function forget(): void {
  known = null;
}
