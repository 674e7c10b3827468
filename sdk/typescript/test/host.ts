/** The host's modules for unit tests: calls are written down, answers are what a test has put in line. */

import type { Encoding, Rows, Statement, Value } from "applet:host/db@0.1.0";
import type { Invocation } from "applet:host/context@0.1.0";

/** A call that was made. */
export interface Call {
  readonly name: string;
  readonly sql?: string;
  readonly parameters?: readonly Value[];
}

export const calls: Call[] = [];
export const answers: (Rows | Error)[] = [];
export const lines: [string, string][] = [];
export const invocation: Invocation = {
  requestId: "r",
  tenantId: "t",
  workspaceId: "w",
  userId: undefined,
  locale: "en",
  appletId: "a",
  appletVersion: "1.0.0",
  permissions: [{ table: "chats", operations: ["read", "update", "soft-delete"], softDeletable: true }],
};

const nothing: Rows = { columns: [], count: 0, truncated: false, affected: 0, data: new TextEncoder().encode("[]") };

function answer(): Rows {
  const next = answers.shift() ?? nothing;
  if (next instanceof Error) {
    throw next;
  }
  return next;
}

/** Rows in the JSON encoding. */
export function rows(columns: [string, Rows["columns"][number]["kind"]][], json: string, affected = 0): Rows {
  const data = new TextEncoder().encode(json);
  const named = columns.map(([name, kind]) => ({ name, kind }));
  return { columns: named, count: (JSON.parse(json) as unknown[]).length, truncated: false, affected, data };
}

/** What a host call throws. */
export function refusal(tag: string, val: object): Error {
  return Object.assign(new Error("[object Object]"), { payload: { tag, val } });
}

export function query(sql: string, parameters: Value[], _encoding: Encoding): Rows {
  calls.push({ name: "query", sql, parameters });
  return answer();
}

export function execute(sql: string, parameters: Value[]): number {
  calls.push({ name: "execute", sql, parameters });
  return answer().affected;
}

export function batch(statements: Statement[]): Rows[] {
  return statements.map(({ sql, parameters }) => query(sql, parameters, "json"));
}

export function begin(): Transaction {
  calls.push({ name: "begin" });
  return new Transaction();
}

export class Transaction {
  query = query;
  execute = execute;
  static commit(): void {
    calls.push({ name: "commit" });
    answer();
  }
  static rollback(): void {
    calls.push({ name: "rollback" });
  }
}

export function current(): Invocation {
  return invocation;
}

export function write(level: string, message: string): void {
  lines.push([level, message]);
}

export function getRandomBytes(length: number): Uint8Array {
  return new Uint8Array(length).fill(0xff);
}
