/** A sample applet: it keeps notes about a tenant's clients in a table of its own. */

import { applet, createSdk, HookError } from "@applet-host/sdk";

import type { Database } from "./database.js";

const sdk = createSdk<Database>();

/** Notes of one answer. */
const PAGE = 50;

interface NewNote {
  client_id: number;
  body: string;
  labels?: string[];
}

/** Writes a note and marks its client as contacted: both, or neither. */
async function add({ client_id, body, labels }: NewNote) {
  if (body.trim() === "") {
    throw new HookError("empty-note", "a note needs a text");
  }
  return sdk.db.transaction(async (tx) => {
    const contacted = await tx.table("clients").where("id", client_id).update({ last_contacted_at: new Date() });
    if (contacted === 0) {
      throw new HookError("no-such-client", `there is no client ${client_id}`);
    }
    const note = await tx.insert("notes", { client_id, body, ...(labels && { labels }) });
    return { id: note.id, created_at: note.created_at };
  });
}

/** Notes, each with the name of its client. Soft-deleted notes and clients are left out. */
function notes() {
  return sdk.db
    .table("notes")
    .join("clients", "notes.client_id", "=", "clients.id")
    .select("notes.id", "notes.body", "notes.pinned", "notes.labels", "notes.created_at")
    .select("clients.first_name", "clients.last_name")
    .orderBy("notes.pinned", "desc")
    .orderBy("notes.id", "desc")
    .limit(PAGE);
}

/** A client's notes, or everybody's. */
async function list(which: { client_id?: number } | null) {
  const all = notes();
  return which?.client_id === undefined ? all.get() : all.where("notes.client_id", which.client_id).get();
}

/** Pins a note, or takes the pin away. */
async function pin({ id, pinned = true }: { id: number; pinned?: boolean }) {
  if ((await sdk.db.table("notes").where("id", id).update({ pinned })) === 0) {
    throw new HookError("no-such-note", `there is no note ${id}`);
  }
  return { id, pinned };
}

/** Notes that contain these words, whatever `%` and `_` mean to LIKE. */
async function search({ words }: { words: string }) {
  return notes().where("notes.body", "ilike", `%${words.replace(/[\\%_]/g, "\\$&")}%`).get();
}

/** Removes a note: softly, so that it can be brought back by hand. */
async function remove({ id }: { id: number }) {
  return { removed: await sdk.db.table("notes").where("id", id).delete() };
}

export default applet({
  onInstall: async () => sdk.log.info("ready for notes"),
  named: { add, list, pin, search, remove },
});
