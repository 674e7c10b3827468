/** Notes of a tenant. Every statement sees the rows of the tenant that the hook is called for, and no others. */

import { applet, createSdk, HookError } from "@applet-host/sdk";

import type { Database } from "./database.js";

const sdk = createSdk<Database>();

/** Keeps a note, and answers with it. */
async function add({ body }: { body: string }) {
  if (body.trim() === "") {
    throw new HookError("empty-note", "a note needs a body");
  }
  const note = await sdk.db.table("notes").insert({ body });
  return { id: note.id, body: note.body };
}

/** The newest notes. */
async function list() {
  return sdk.db.table("notes").select("id", "body").orderBy("id", "desc").limit(100).get();
}

export default applet({ named: { add, list } });
