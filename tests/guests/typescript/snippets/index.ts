/** The snippets of the specification as they are written there, and what else an applet in TypeScript relies on. */

import { applet, createSdk, DatabaseError, HookError, PermissionDenied, sdk } from "@applet-host/sdk";

interface Given {
  since: string;
  chatId: number;
  clientId: number;
}

async function snippets({ since, chatId, clientId }: Given) {
  const lastSyncDate = new Date(since);
  const yesterday = lastSyncDate;
  const aiResponse = "Nine is fine.";
// The snippets begin.
const clients = await sdk.db.query(`
  SELECT id, first_name, last_name, phone FROM clients
  WHERE created_at > $1 ORDER BY created_at DESC LIMIT 100`, [lastSyncDate]);
const message = await sdk.db.insert('chat_messages', { chat_id: chatId, content: aiResponse, sender_type: 'ai' });
const rows = await sdk.db.table('clients').select('id', 'first_name', 'last_name', 'phone')
  .where('created_at', '>', lastSyncDate).orderBy('created_at', 'desc').limit(100).get();
const messages = await sdk.db.table('chat_messages').join('chats', 'chat_messages.chat_id', '=', 'chats.id')
  .select('chat_messages.*', 'chats.client_id').where('chat_messages.created_at', '>', yesterday).get();
const newMessage = await sdk.db.table('chat_messages').insert({ chat_id: chatId, content: 'Hello!', sender_type: 'ai' });
await sdk.db.table('clients').where('id', clientId).update({ last_contacted_at: new Date() });
// The snippets end.
  const contacted = await sdk.db.table("clients").whereNotNull("last_contacted_at").get();
  const isDate = message["created_at"] instanceof Date && contacted.every((client) => client["last_contacted_at"] instanceof Date);
  return { clients, message, rows, messages, newMessage, contacted: contacted.map((client) => client["id"]), isDate };
}

/** A condition that the caller chooses, as an applet might hand on what its users type. */
async function compare({ column, operator, value }: { column: string; operator: "="; value: string }) {
  const found = await sdk.db.table("clients").select("first_name").where(column, operator, value).get().catch(told);
  return found;
}

/** What an applet sees of a refusal. */
async function refused({ sql }: { sql: string }) {
  const error: unknown = await sdk.db.query(sql).catch((error: unknown) => error);
  return { isDenied: error instanceof PermissionDenied, ...told(error) };
}

function told(error: unknown) {
  if (!(error instanceof DatabaseError)) {
    throw error;
  }
  return { kind: error.kind, code: error.code, span: error.span, hint: error.hint };
}

/** Soft deletes, and a transaction that comes to nothing. */
async function soft({ chatId }: { chatId: number }) {
  const one = sdk.db.table("chats").where("id", chatId);
  const stop = new HookError("stop", "on second thoughts");
  const undone = await sdk.db
    .transaction(async (tx) => {
      await tx.table("chats").where("id", chatId).delete();
      throw stop;
    })
    .catch((error: unknown) => error === stop);
  const before = (await one.get()).length;
  const deleted = await one.delete();
  const hidden = (await one.get()).length;
  const shown = (await one.withDeleted().get()).length;
  const forced = await one.withDeleted().forceDelete().catch(told);
  return { undone, before, deleted, hidden, shown, forced };
}

/** A number that JavaScript has no room for: an error that names the column, or a bigint. */
async function exact() {
  const sql = "SELECT 9007199254740993::bigint AS big, 0.70::numeric AS dec, TIMESTAMPTZ '2026-01-01 00:00:00.000001Z' AS at";
  const rounded = await sdk.db.query(sql).catch((error: DatabaseError) => [error.code, error.column]);
  const row = (await createSdk({ exact: true }).db.query(sql))[0];
  return { rounded, row, kinds: [typeof row?.["big"], typeof row?.["dec"]] };
}

/** What has to be another thing in every call. */
function chance() {
  return { number: Math.random(), uuid: crypto.randomUUID() };
}

async function* counted() {
  for (const step of [1, 2, 3]) {
    yield await Promise.resolve(step);
  }
}

/** The language's ways to wait. */
async function promises() {
  let sum = 0;
  for await (const step of counted()) {
    sum += step;
  }
  const all = await Promise.all([sdk.db.scalar("SELECT 1"), new Promise((resolve) => queueMicrotask(() => resolve(2)))]);
  const settled = await Promise.allSettled([Promise.reject(new Error("no")), sdk.db.scalar("SELECT 3")]);
  return { sum, all, settled: settled.map(({ status }) => status) };
}

export default applet({ named: { snippets, compare, refused, soft, exact, chance, promises } });
