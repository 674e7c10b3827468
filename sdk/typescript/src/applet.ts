/** Hooks: what stands between the functions that a component exports and the applet's own. */

import { forget } from "./context.js";
import { DatabaseError, HookError } from "./errors.js";
import { log } from "./log.js";
import { settle } from "./promise.js";
import { endMaking } from "./state.js";
import { toHex, toWellFormed } from "./text.js";

/** The host knows this code: it means that the applet has no such hook. */
const NO_SUCH_HOOK = "no-such-hook";

/** A hook that the manifest names: it takes what JSON can say, and answers with what JSON can say. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type NamedHook = (payload: any) => unknown;

/** An answer that is JSON already. It is passed on as it is. */
export class JsonText {
  /** The JSON. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** The hooks of an applet. What the manifest lists has to be here. */
export interface Hooks {
  /** Hooks by the names that the manifest gives them. */
  readonly named?: Readonly<Record<string, NamedHook>>;
  /** After the applet's tables were created and before it becomes active. */
  readonly onInstall?: () => unknown;
  /** After an upgrade's changes were applied; takes the version that was active before. */
  readonly onUpgrade?: (fromVersion: string) => unknown;
  /** Before the applet is taken away. Its failure does not keep it. */
  readonly onUninstall?: () => unknown;
  /** After the applet was enabled. */
  readonly onEnable?: () => unknown;
  /** Before the applet is disabled. */
  readonly onDisable?: () => unknown;
}

/** An applet; the default export of its entry module. */
export class Applet {
  /** @internal */
  readonly hooks: Hooks;

  /** @internal */
  constructor(hooks: Hooks) {
    this.hooks = hooks;
  }
}

/**
 * Defines an applet by its hooks.
 *
 * ```ts
 * export default applet({
 *   named: { greet: async ({ name }: { name: string }) => `Hello, ${name}!` },
 *   onInstall: async () => log.info("installed"),
 * });
 * ```
 */
export function applet(hooks: Hooks): Applet {
  return new Applet(hooks);
}

/** What a manifest lists. */
export interface Listed {
  readonly lifecycle: readonly string[];
  readonly named: readonly string[];
}

/** What the component exports. */
export interface Exports {
  readonly namedHooks: { call(name: string, payload: string): string };
  readonly onInstall: { run(): void };
  readonly onUpgrade: { run(fromVersion: string): void };
  readonly onUninstall: { run(): void };
  readonly onEnable: { run(): void };
  readonly onDisable: { run(): void };
}

/** The exports of an applet, once it is sure that it has every hook that its manifest lists. */
export function bind(given: unknown, listed: Listed): Exports {
  const top = settle(() => undefined);
  if (top.state === "failed") {
    throw top.error;
  }
  if (!(given instanceof Applet)) {
    throw new Error("the entry module's default export is no applet: write `export default applet({ … })`");
  }
  const { hooks } = given;
  const missing = [
    ...listed.named.filter((name) => namedHook(hooks, name) === undefined).map((name) => `named hook \`${name}\``),
    ...listed.lifecycle.filter((hook) => typeof hooks[camelCase(hook)] !== "function").map((hook) => `\`${hook}\``),
  ];
  if (missing.length > 0) {
    throw new Error(`the manifest lists what the applet does not have: ${missing.join(", ")}`);
  }
  const lifecycle = (hook: keyof Hooks) => ({
    run: (...args: unknown[]): void => void run(() => (hooks[hook] as (...args: unknown[]) => unknown)(...args)),
  });
  return {
    namedHooks: { call: (name, payload) => callNamed(hooks, name, payload) },
    onInstall: lifecycle("onInstall"),
    onUpgrade: lifecycle("onUpgrade"),
    onUninstall: lifecycle("onUninstall"),
    onEnable: lifecycle("onEnable"),
    onDisable: lifecycle("onDisable"),
  };
}

/** `on-install` as `onInstall`. */
function camelCase(hook: string): keyof Hooks {
  return hook.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as keyof Hooks;
}

function namedHook(hooks: Hooks, name: string): NamedHook | undefined {
  const { named = {} } = hooks;
  return Object.hasOwn(named, name) ? named[name] : undefined;
}

/** Reads the payload, calls the hook and writes its answer. An empty payload is `null`. */
function callNamed(hooks: Hooks, name: string, payload: string): string {
  const hook = namedHook(hooks, name);
  if (hook === undefined) {
    throw refusal(new HookError(NO_SUCH_HOOK, `there is no hook \`${name}\``));
  }
  const input = read(payload);
  const answer = run(() => hook(input));
  return toWellFormed(write(answer));
}

function read(payload: string): unknown {
  try {
    return JSON.parse(payload.trim() === "" ? "null" : payload);
  } catch (error) {
    throw refusal(new HookError("bad-payload", `the payload is no JSON: ${(error as Error).message}`));
  }
}

function write(answer: unknown): string {
  if (answer instanceof JsonText) {
    return answer.text;
  }
  try {
    return JSON.stringify(answer, plain) ?? "null";
  } catch (error) {
    throw refusal(new HookError("bad-answer", `the answer cannot be written as JSON: ${(error as Error).message}`));
  }
}

/** What JSON has no form for, as the host's own JSON has it. */
function plain(_: string, value: unknown): unknown {
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  }
  return value instanceof Uint8Array ? `\\x${toHex(value)}` : value;
}

/** Calls a hook and waits for it. */
function run(hook: () => unknown): unknown {
  endMaking();
  forget();
  const outcome = settle(hook);
  switch (outcome.state) {
    case "done":
      return outcome.value;
    case "failed":
      throw refusal(outcome.error);
    case "waiting":
      throw refusal(new HookError("never-settled", "the hook waits for something that does not come"));
  }
}

/**
 * What the host takes for a hook's error. A mistake of the program is logged with its stack as well. An engine
 * without memory is no error of the hook's: thrown as it is, it ends the instance, and the host says why.
 */
function refusal(error: unknown): unknown {
  if (error instanceof Error && error.name === "InternalError" && error.message === "out of memory") {
    return error;
  }
  const [code, message] =
    error instanceof HookError
      ? [error.code, error.message]
      : error instanceof DatabaseError
        ? [error.code, String(error)]
        : ["error", String(error)];
  if (code === "error") {
    log.error(`${message}\n${error instanceof Error ? (error.stack ?? "") : ""}`.trimEnd());
  }
  return { code: toWellFormed(String(code)), message: toWellFormed(String(message)) };
}
