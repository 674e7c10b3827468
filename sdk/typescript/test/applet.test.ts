import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { applet, bind, type Hooks, type NamedHook } from "../src/applet.js";
import { Busy, ConstraintViolation, createSdk, DatabaseError, HookError, PermissionDenied, sdk } from "../src/index.js";
import { settle, Task } from "../src/promise.js";
import { beginMaking, endMaking } from "../src/state.js";
import { answers, calls, lines, refusal, rows } from "./host.js";

const native = globalThis.Promise;

beforeEach(() => {
  for (const list of [calls, answers, lines]) {
    list.length = 0;
  }
});

/** Calls a hook as the host does, with the promises that a component has. */
function call(hook: NamedHook, payload = ""): string {
  const exported = bind(applet({ named: { hook } }), { named: ["hook"], lifecycle: [] });
  globalThis.Promise = Task as unknown as PromiseConstructor;
  try {
    return exported.namedHooks.call("hook", payload);
  } finally {
    globalThis.Promise = native;
  }
}

test("s4x_8: named hooks take and give JSON", () => {
  assert.equal(call((number: number) => number * 2, "21"), "42");
  assert.equal(call(() => undefined), "null");
  assert.equal(call(async (payload: null) => payload, "  "), "null");
  assert.equal(call(() => ({ big: 2n ** 60n, small: 7n, bytes: new Uint8Array([255]) })), '{"big":"1152921504606846976","small":7,"bytes":"\\\\xff"}');
  assert.throws(() => call(() => 1, "{"), { code: "bad-payload" });
  const exported = bind(applet({ named: {} }), { named: [], lifecycle: [] });
  for (const name of ["x", "toString", "__proto__"]) {
    assert.throws(() => exported.namedHooks.call(name, ""), { code: "no-such-hook" });
  }
});

test("s4x_8: an async hook is done when it returns", () => {
  const slow = async (): Promise<number[]> => {
    const all = await Promise.all([sdk.db.scalar("SELECT 1"), Promise.resolve(2), 3]);
    await new Promise<void>((resolve) => queueMicrotask(resolve));
    return all as number[];
  };
  answers.push(rows([["n", "int32"]], "[[1]]"));
  globalThis.queueMicrotask = (job) => void Task.resolve().then(job);
  assert.equal(call(slow), "[1,2,3]");
  assert.throws(() => call(() => new Promise(() => undefined)), { code: "never-settled" });
});

test("s4x_8: errors become the hook's error, plain objects that the border takes", () => {
  const thrown = (error: unknown) => {
    try {
      call(async () => {
        throw error;
      });
    } catch (refused) {
      return refused;
    }
    return undefined;
  };
  assert.deepEqual(thrown(new HookError("out-of-tea", "none left")), { code: "out-of-tea", message: "none left" });
  assert.deepEqual(thrown("text"), { code: "error", message: "text" });
  assert.deepEqual(thrown(new TypeError("oops")), { code: "error", message: "TypeError: oops" });
  assert.equal(lines.length, 2, "a mistake of the program is logged");
});

test("s4x_8: a write whose promise nobody awaited does not fail in silence", () => {
  answers.push(refusal("busy", { code: "connection-cap", message: "no connection" }));
  const forgetful = (): number => {
    void sdk.db.table("clients").insert({ id: 1 });
    return 1;
  };
  assert.throws(() => call(forgetful), { code: "connection-cap" });
  answers.push(refusal("busy", { code: "connection-cap", message: "no connection" }));
  assert.equal(call(async () => sdk.db.query("SELECT 1").catch((error: unknown) => error instanceof Busy)), "true");
});

test("s4x_11: what the manifest lists and the applet lacks is told at once", () => {
  const listed = { named: ["a", "b"], lifecycle: ["on-install", "on-upgrade"] };
  const hooks: Hooks = { named: { a: () => 1 }, onUpgrade: () => undefined };
  assert.throws(() => bind(applet(hooks), listed), /named hook `b`, `on-install`/);
  assert.throws(() => bind({ hooks }, listed), /export default applet/);
});

test("decision 73: nothing is asked of the host, and no secret drawn, while the component is made", async () => {
  beginMaking();
  try {
    await assert.rejects(sdk.db.query("SELECT 1"), /only while a hook runs/);
    assert.throws(() => sdk.context, /only while a hook runs/);
    sdk.log.info("nobody reads this");
    assert.deepEqual([calls, lines], [[], []]);
    // A rejection that nobody awaits fails the build.
    void Task.reject(new Error("at the top level"));
    assert.throws(() => bind(applet({}), { named: [], lifecycle: [] }), /at the top level/);
    assert.equal(call(async () => sdk.db.query("SELECT 1")), "[]");
  } finally {
    endMaking();
  }
});

test("f3: a refusal is an error of its class, with all that the host says", async () => {
  answers.push(
    refusal("permission-denied", {
      code: "table-not-allowed",
      message: "table `invoices` is not granted for read",
      span: { start: 14, end: 22 },
      table: "invoices",
      operation: "read",
      hint: "permissions.database.read: [invoices]",
    }),
  );
  const error = await sdk.db.query("SELECT * FROM invoices").catch((error: unknown) => error);
  assert.ok(error instanceof PermissionDenied && error instanceof DatabaseError && error instanceof Error);
  assert.deepEqual(
    [error.kind, error.code, error.span, error.table, error.column, error.operation, error.retryAfterMs],
    ["permission-denied", "table-not-allowed", { start: 14, end: 22 }, "invoices", null, "read", null],
  );
  assert.equal(
    String(error),
    "table-not-allowed: table `invoices` is not granted for read (permissions.database.read: [invoices])",
  );
});

test("s4_39 to s4_48: the builder is immutable, and values are parameters", async () => {
  const all = sdk.db.table("clients").where("status", "x' OR 1 = 1");
  await all.where("id", ">", 5).first();
  await all.get();
  await sdk.db.table("chats").where("id", null).get();
  assert.deepEqual(calls, [
    {
      name: "query",
      sql: "SELECT * FROM clients WHERE status = $1 AND id > $2 LIMIT 1",
      parameters: [
        { tag: "text", val: "x' OR 1 = 1" },
        { tag: "integer", val: 5 },
      ],
    },
    { name: "query", sql: "SELECT * FROM clients WHERE status = $1", parameters: [{ tag: "text", val: "x' OR 1 = 1" }] },
    { name: "query", sql: "SELECT * FROM chats WHERE id IS NULL AND chats.deleted_at IS NULL", parameters: [] },
  ]);
});

test("decision 10: a transaction is committed once, or rolled back when its function throws", async () => {
  await sdk.db.transaction(async (tx) => tx.execute("SELECT 1"));
  assert.deepEqual(calls.map(({ name }) => name), ["begin", "execute", "commit"]);
  calls.length = 0;
  const stop = new HookError("stop", "no");
  await assert.rejects(
    sdk.db.transaction(async () => {
      throw stop;
    }),
    stop,
  );
  assert.deepEqual(calls.map(({ name }) => name), ["begin", "rollback"]);
  const leaked = await sdk.db.transaction(async (tx) => tx);
  await assert.rejects(leaked.execute("SELECT 1"), /has ended/);
  answers.push(refusal("constraint-violation", { code: "foreign-key", message: "no such row" }));
  await assert.rejects(sdk.db.transaction(async () => 1), ConstraintViolation);
});

test("results are arrays that know a little more", async () => {
  answers.push(rows([["id", "int64"]], "[[1],[2]]", 2));
  const result = await createSdk().db.query<{ id: number }>("SELECT id FROM clients");
  assert.deepEqual([...result], [{ id: 1 }, { id: 2 }]);
  assert.deepEqual([result.affected, result.truncated, result.columns[0]?.kind], [2, false, "int64"]);
  assert.equal(JSON.stringify(result), '[{"id":1},{"id":2}]');
});

test("promises behave as the language's own do", () => {
  const order: string[] = [];
  const outcome = settle(() => {
    const note = (what: string) => () => void order.push(what);
    Task.resolve().then(note("a")).then(note("c"));
    Task.resolve().then(note("b"));
    order.push("sync");
    return Task.reject(new Error("x"))
      .finally(note("finally"))
      .catch((error: unknown) => (error as Error).message)
      .then((message) => Task.any([Task.reject(1), { then: (resolve: (v: string) => void) => resolve(`${message}!`) }]));
  });
  assert.deepEqual(outcome, { state: "done", value: "x!" });
  assert.deepEqual(order.slice(0, 4), ["sync", "a", "b", "finally"]);
  assert.deepEqual(settle(() => Task.allSettled([Task.reject(1), 2])), {
    state: "done",
    value: [
      { status: "rejected", reason: 1 },
      { status: "fulfilled", value: 2 },
    ],
  });
  assert.deepEqual(settle(() => Task.all([])), { state: "done", value: [] });
  assert.equal(settle(() => Task.any([])).state, "failed");
  assert.equal(settle(() => { const { promise, resolve } = Task.withResolvers<unknown>(); resolve(promise); return promise; }).state, "failed");
  const many = settle(() => {
    let chain: PromiseLike<number> = Task.resolve(0);
    for (let step = 0; step < 5_000; step++) {
      chain = chain.then((sum) => sum + 1);
    }
    return chain;
  });
  assert.deepEqual(many, { state: "done", value: 5_000 });
});
