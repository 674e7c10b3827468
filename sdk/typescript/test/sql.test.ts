import assert from "node:assert/strict";
import { test } from "node:test";

import { forceRemove, insert, type Parts, partsOf, remove, select, update } from "../src/sql.js";

const no = (): boolean => false;
const chatsOnly = (table: string): boolean => table === "chats";
const parts = (table: string, more: Partial<Parts> = {}): Parts => ({ ...partsOf(table), ...more });
const compare = (column: string, operator: string, value: unknown) => ({ kind: "compare", column, operator, value }) as const;

test("s4_39 to s4_43: a select with everything", () => {
  const everything = parts("clients", {
    columns: ["id", "first_name", "last_name", "phone"],
    conditions: [compare("created_at", ">", "2026-01-01"), compare("status", "!=", "gone")],
    order: [{ column: "created_at", direction: "desc" }],
    limit: 100,
    offset: 20,
  });
  assert.deepEqual(select(everything, no), {
    sql:
      "SELECT id, first_name, last_name, phone FROM clients WHERE created_at > $1 AND status <> $2 " +
      "ORDER BY created_at DESC LIMIT 100 OFFSET 20",
    parameters: ["2026-01-01", "gone"],
  });
});

test("s4_44 s4_45: a join with qualified columns and a star", () => {
  const joined = (kind: "inner" | "left") =>
    parts("chat_messages", {
      columns: ["chat_messages.*", "chats.client_id"],
      joins: [{ kind, table: "chats", left: "chat_messages.chat_id", operator: "=", right: "chats.id" }],
    });
  assert.equal(
    select(joined("inner"), chatsOnly).sql,
    "SELECT chat_messages.*, chats.client_id FROM chat_messages JOIN chats ON chat_messages.chat_id = chats.id " +
      "WHERE chats.deleted_at IS NULL",
  );
  assert.equal(
    select(joined("left"), chatsOnly).sql,
    "SELECT chat_messages.*, chats.client_id FROM chat_messages LEFT JOIN chats " +
      "ON chat_messages.chat_id = chats.id AND chats.deleted_at IS NULL",
  );
});

test("s4_46: an insert gives the stored row back, and leaves undefined values to their defaults", () => {
  assert.deepEqual(insert(parts("chat_messages"), { chat_id: 7, content: "Hello!", sender_type: undefined }), {
    sql: "INSERT INTO chat_messages (chat_id, content) VALUES ($1, $2) RETURNING *",
    parameters: [7, "Hello!"],
  });
  assert.equal(insert(parts("chat_messages"), {}).sql, "INSERT INTO chat_messages DEFAULT VALUES RETURNING *");
});

test("s4_47: an update needs a condition or says that it means every row", () => {
  assert.throws(() => update(parts("clients"), { notes: "x" }, no), /everyRow/);
  assert.throws(() => update(parts("clients", { everyRow: true }), { notes: undefined }, no), /at least one column/);
  assert.equal(update(parts("clients", { everyRow: true }), { notes: "x" }, no).sql, "UPDATE clients SET notes = $1");
  assert.deepEqual(update(parts("clients", { conditions: [compare("id", "=", 7)] }), { notes: "x" }, no), {
    sql: "UPDATE clients SET notes = $1 WHERE id = $2",
    parameters: ["x", 7],
  });
});

test("decision 3: delete is soft where the table allows it, and deleted rows are hidden", () => {
  const one = parts("chats", { conditions: [compare("id", "=", 7)] });
  const soft = "UPDATE chats SET deleted_at = now() WHERE id = $1 AND chats.deleted_at IS NULL";
  assert.deepEqual(remove(one, chatsOnly), { sql: soft, parameters: [7] });
  assert.equal(remove(one, no).sql, "DELETE FROM chats WHERE id = $1");
  assert.equal(select(one, chatsOnly).sql, "SELECT * FROM chats WHERE id = $1 AND chats.deleted_at IS NULL");
  const shown = { ...one, withDeleted: true };
  assert.equal(select(shown, chatsOnly).sql, "SELECT * FROM chats WHERE id = $1");
  assert.equal(forceRemove(shown, chatsOnly).sql, "DELETE FROM chats WHERE id = $1");
});

test("s4_40: lists and nulls", () => {
  const conditions = [
    { kind: "in", column: "id", values: [1, 2] },
    { kind: "in", column: "status", values: [] },
    { kind: "null", column: "phone" },
    { kind: "not-null", column: "clients.email" },
  ] as const;
  assert.equal(
    select(parts("clients", { conditions }), no).sql,
    "SELECT * FROM clients WHERE id IN ($1, $2) AND status IN (NULL) AND phone IS NULL AND clients.email IS NOT NULL",
  );
});

test("s4_40: null and undefined are mistakes, not an empty result or every row", () => {
  const compared = (value: unknown) => () => select(parts("clients", { conditions: [compare("id", "=", value)] }), no);
  assert.throws(compared(null), /whereNull/);
  assert.throws(compared(undefined), /undefined/);
  const within = { kind: "in", column: "id", values: [1, undefined] } as const;
  assert.throws(() => remove(parts("clients", { conditions: [within] }), no), /undefined/);
});

test("s4_48: only names, known operators and numbers of rows become text", () => {
  const hostile = ["", "a b", "a;--", "A", 'a"b', "a.b.c", "1a", "a'", "chats.", ".id", "a\u212a", "id\n", "a".repeat(64)];
  for (const name of [...hostile, null, 7, {}] as string[]) {
    const refused = (work: () => unknown, what: string): void => assert.throws(work, { code: "builder" }, `${what} ${name}`);
    refused(() => select(parts(name), no), "table");
    refused(() => select(parts("clients", { columns: [name] }), no), "column");
    refused(() => select(parts("clients", { conditions: [compare(name, "=", 1)] }), no), "condition");
    refused(() => select(parts("clients", { order: [{ column: name, direction: "asc" }] }), no), "order");
    if (name !== null) {
      refused(() => insert(parts("clients"), { [name]: 1 }), "insert");
      refused(() => update(parts("clients", { everyRow: true }), { [name]: 1 }, no), "update");
    }
    const join = { kind: "inner", table: name, left: "id", operator: "=", right: "id" } as const;
    refused(() => select(parts("clients", { joins: [join] }), no), "join");
  }
  for (const operator of ["", "= 1 OR 1 =", "is", "IN", "~", "__proto__", null] as string[]) {
    assert.throws(() => select(parts("clients", { conditions: [compare("id", operator, 1)] }), no), { code: "builder" });
  }
  for (const rows of [-1, 1.5, Number.NaN, 2 ** 32, "1; DROP TABLE clients", null, [1]] as number[]) {
    const text = String(rows);
    if (rows !== null) {
      assert.throws(() => select(parts("clients", { limit: rows }), no), { code: "builder" }, text);
      assert.throws(() => select(parts("clients", { offset: rows }), no), { code: "builder" }, text);
    }
  }
  const direction = [{ column: "id", direction: "asc; DROP TABLE clients" }];
  assert.throws(() => select(parts("clients", { order: direction }), no), { code: "builder" });
});
