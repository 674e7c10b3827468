/** What the types say, checked by the compiler: `@ts-expect-error` is an error where there is none. */

import { createSdk, param, sdk, type RowOf } from "../src/index.js";

interface Tables {
  clients: {
    select: { id: number; first_name: string; phone: string | null; created_at: Date; value: number };
    update: { phone?: string | null; value?: number | string };
  };
  chats: {
    select: { id: number; client_id: number; subject: string | null };
    insert: { client_id: number | bigint; subject?: string | null };
  };
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function same<A, B>(_same: Same<A, B>): void {}

const typed = createSdk<Tables>();

export async function s4_39_select_narrows_the_row(): Promise<void> {
  const all = await typed.db.table("clients").get();
  same<(typeof all)[number], RowOf<Tables, "clients">>(true);
  const some = await typed.db.table("clients").select("id", "phone").select("clients.first_name").first();
  same<typeof some, { id: number; phone: string | null; first_name: string } | null>(true);
  // @ts-expect-error not selected
  void some?.created_at;
  const star = await typed.db.table("clients").select("*").get();
  same<(typeof star)[number], RowOf<Tables, "clients">>(true);
}

export function s4_40_unknown_tables_columns_and_values_are_errors(): void {
  // @ts-expect-error no such table
  typed.db.table("invoices");
  // @ts-expect-error no such column
  typed.db.table("clients").select("id", "nmae");
  // @ts-expect-error no such column
  typed.db.table("clients").where("nmae", "x");
  // @ts-expect-error not a number
  typed.db.table("clients").where("id", "=", true);
  // @ts-expect-error no such comparison
  typed.db.table("clients").where("id", "~", 1);
  // @ts-expect-error no such order
  typed.db.table("clients").orderBy("id", "down");
  // @ts-expect-error compared with null
  typed.db.table("clients").where("phone", "=", null);
  typed.db.table("clients").where("phone", null).where("id", 7n).where("created_at", ">", new Date()).whereIn("id", [1, 2]);
  typed.db.table("clients").where("value", "0.70").where("created_at", "<", "2026-01-01");
}

export async function s4_44_s4_45_joins_bring_their_columns(): Promise<void> {
  const joined = typed.db.table("chats").join("clients", "chats.client_id", "=", "clients.id");
  const rows = await joined.select("chats.*", "clients.first_name").where("clients.id", ">", 1).get();
  same<(typeof rows)[number], { id: number; client_id: number; subject: string | null; first_name: string }>(true);
  const left = await typed.db
    .table("chats")
    .leftJoin("clients", "chats.client_id", "=", "clients.id")
    .select("chats.id", "clients.first_name")
    .first();
  same<typeof left, { id: number; first_name: string | null } | null>(true);
  // @ts-expect-error not joined
  typed.db.table("chats").select("clients.first_name");
  // @ts-expect-error no such column of the joined table
  typed.db.table("chats").join("clients", "chats.client_id", "=", "clients.nmae");
}

export async function s4_46_s4_47_writes_take_what_is_granted(): Promise<void> {
  const chat = await typed.db.insert("chats", { client_id: 1 });
  same<typeof chat, { id: number; client_id: number; subject: string | null }>(true);
  // @ts-expect-error a column is missing
  await typed.db.insert("chats", { subject: "x" });
  // @ts-expect-error no such column
  await typed.db.table("chats").insert({ client_id: 1, nmae: "x" });
  // @ts-expect-error inserting is not granted
  await typed.db.insert("clients", { first_name: "Ada" });
  await typed.db.table("clients").where("id", 1).update({ value: "0.70", phone: null });
  // @ts-expect-error not granted for update
  await typed.db.table("clients").where("id", 1).update({ first_name: "x" });
  // @ts-expect-error updating is not granted
  await typed.db.table("chats").where("id", 1).update({ subject: "x" });
  await typed.db.transaction(async (tx) => {
    await tx.table("clients").where("id", 1).update({ phone: "1" });
    // @ts-expect-error no such table
    tx.table("invoices");
  });
}

export async function untyped_use_works(): Promise<void> {
  const rows = await sdk.db.table("clients").select("id", "anything").where("x", ">", new Date()).orderBy("y", "desc").get();
  rows.map((row) => row["first_name"].length);
  const counted = await sdk.db.query<{ n: number }>("SELECT count(*) AS n FROM clients WHERE a = $1", [param.json("x")]);
  same<(typeof counted)[number], { n: number }>(true);
  const any = await sdk.db.query("SELECT 1");
  any.map((row) => row["whatever"].deep);
  // @ts-expect-error a function is no parameter
  await sdk.db.query("SELECT $1", [() => 1]);
}
