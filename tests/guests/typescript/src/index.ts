/** The conformance guest in TypeScript; tests/conformance says what it has to do. */

import { applet, createSdk, DatabaseError, type ExactCell, HookError, JsonText, log, sdk } from "@applet-host/sdk";
import { write } from "applet:host/log@0.1.0";

import { type Given, parameters } from "./parameters.js";
import { result } from "./result.js";

const exact = createSdk({ exact: true });

interface Statement {
  sql: string;
  parameters: Given[];
}

/** What the host said, or what the SDK did. */
function problem(error: unknown) {
  if (!(error instanceof DatabaseError)) {
    throw error;
  }
  const { kind, code, message, span, table, column, operation, hint, retryAfterMs } = error;
  const place = span && [span.start, span.end];
  return { error: { kind, code, message, span: place, table, column, operation, hint, retry_after_ms: retryAfterMs } };
}

async function query({ sql, parameters: given, encoding }: Statement & { encoding: string }) {
  if (encoding !== "json") {
    return result(await exact.db.query<Record<string, ExactCell>>(sql, parameters(given)));
  }
  const { json, columns, count, truncated, affected } = await sdk.db.queryJson(sql, parameters(given));
  const named = columns.map((column) => [column.name, column.kind]);
  // The rows as they came: reading and writing them again could change a number.
  return new JsonText(JSON.stringify({ columns: named, count, truncated, affected }).replace(/}$/, `,"rows":${json}}`));
}

async function execute({ sql, parameters: given }: Statement) {
  return { affected: await exact.db.execute(sql, parameters(given)) };
}

async function batch({ statements }: { statements: Statement[] }) {
  const all = statements.map(({ sql, parameters: given }) => ({ sql, parameters: parameters(given) }));
  const results = await exact.db.batch<Record<string, ExactCell>>(all);
  return { results: results.map(result) };
}

async function transaction({ statements, end }: { statements: Statement[]; end: string }) {
  const open = await exact.db.begin();
  const results = [];
  for (const { sql, parameters: given } of statements) {
    results.push(await open.query<Record<string, ExactCell>>(sql, parameters(given)).then(result, problem));
  }
  const ends: Record<string, () => Promise<void>> = { commit: () => open.commit(), rollback: () => open.rollback() };
  return { results, end: (await ends[end]?.().catch(problem)) ?? null };
}

function context() {
  const call = sdk.context;
  return {
    request_id: call.requestId,
    tenant_id: call.tenantId,
    workspace_id: call.workspaceId,
    user_id: call.userId,
    locale: call.locale,
    applet_id: call.appletId,
    applet_version: call.appletVersion,
    permissions: call.permissions.map(({ table, operations, softDeletable }) => ({
      table,
      operations,
      soft_deletable: softDeletable,
    })),
  };
}

function hoard(): never {
  const kept: Uint8Array[] = [];
  for (;;) {
    kept.push(new Uint8Array(1 << 20).fill(1));
  }
}

/** Hands the border something that it does not take. An SDK's user has no way to. */
function crash(): void {
  write("no such level" as "info", "");
}

const refusable =
  <Payload>(hook: (payload: Payload) => Promise<unknown>) =>
  (payload: Payload) =>
    hook(payload).catch(problem);

export default applet({
  onInstall: () => log.info("installed"),
  onUpgrade: (from) => log.info(`upgraded from ${from}`),
  onUninstall: () => log.info("uninstalled"),
  onEnable: () => log.info("enabled"),
  onDisable: () => log.info("disabled"),
  named: {
    echo: (payload: unknown) => payload,
    query: refusable(query),
    execute: refusable(execute),
    batch: refusable(batch),
    transaction,
    context,
    log: ({ level, message }: { level: keyof typeof log; message: string }) => log[level](message),
    fail: ({ code, message }: { code: string; message: string }) => {
      throw new HookError(code, message);
    },
    crash,
    spin: () => {
      for (;;) {}
    },
    hoard,
  },
});
