#!/usr/bin/env node
// Builds an applet written in TypeScript or JavaScript into a component with just the hooks that its manifest lists.

import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const PACKAGE = resolve(dirname(fileURLToPath(import.meta.url)), "..");

const HELP = `Builds an applet into a WebAssembly component with the hooks that its manifest lists.

Usage: applet-sdk-build [options]

Options:
  --manifest FILE  the manifest [default: manifest.yaml]
  --entry FILE     the module whose default export is the applet [default: src/index.ts, or src/index.js]
  --out FILE       the component [default: dist/<id>.wasm]
  --bundle FILE    write the bundled JavaScript as well, which is what stack traces point into
  --fast           an engine for speed: hooks run in about two thirds of the time, the component is a third
                   larger, and the host takes half as long again to compile it
  --json           print JSON instead of text
  --help           print this

Examples:
  npx applet-sdk-build
  npx applet-sdk-build --entry src/main.ts --out build/applet.wasm`;

/** A mistake of whoever called; told without a stack. */
class UsageError extends Error {}

/** The packages that do the work. npm does not install them for a project that links to this package's folder. */
async function tools() {
  const names = ["componentize-qjs", "esbuild", "yaml"];
  const { resolve: find } = createRequire(import.meta.url);
  const isMissing = (name) => {
    try {
      return find(name) === "";
    } catch {
      return true;
    }
  };
  if (names.some(isMissing)) {
    console.error("installing what the SDK needs (npm install, once)");
    const npm = ["install", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"];
    const { status } = spawnSync("npm", npm, { cwd: PACKAGE, stdio: ["ignore", "ignore", "inherit"] });
    if (status !== 0) {
      throw new UsageError(`npm could not install what the SDK needs in \`${PACKAGE}\``);
    }
  }
  const [{ componentize }, esbuild, { parse }] = await Promise.all(names.map((name) => import(find(name))));
  return { componentize, esbuild, parse };
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        manifest: { type: "string", default: "manifest.yaml" },
        entry: { type: "string" },
        out: { type: "string" },
        bundle: { type: "string" },
        fast: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(`${error.message}; see --help`);
  }
}

/** What the build needs of a manifest. That it is valid in all else is for `applet check` to say. */
async function readManifest(file, parse) {
  const text = await readFile(file, "utf8").catch(() => {
    throw new UsageError(`cannot read \`${file}\`: give the manifest with --manifest`);
  });
  let manifest;
  try {
    manifest = parse(text);
  } catch (error) {
    throw new UsageError(`\`${file}\` is no YAML: ${error.message}`);
  }
  const { id, hooks } = manifest ?? {};
  if (typeof id !== "string" || !/^[a-z][a-z0-9-]*$/.test(id)) {
    throw new UsageError(`\`${file}\` has no valid id; \`applet check ${file}\` says more`);
  }
  const list = (value) => (Array.isArray(value) ? value : []);
  const named = list(hooks?.named).map((hook) => (typeof hook === "string" ? hook : hook?.name));
  const lifecycle = list(hooks?.lifecycle);
  const wrong = [...named, ...lifecycle].find((hook) => typeof hook !== "string" || !/^[a-z][a-z0-9-]*$/.test(hook));
  if (wrong !== undefined || named.length + lifecycle.length === 0) {
    throw new UsageError(`\`${file}\` lists no valid hooks; \`applet check ${file}\` says more`);
  }
  return { id, listed: { named, lifecycle } };
}

function entryOf(given) {
  const candidates = given === undefined ? ["src/index.ts", "src/index.js"] : [given];
  const found = candidates.find((candidate) => existsSync(candidate));
  if (found === undefined) {
    throw new UsageError(`there is no \`${candidates[0]}\`: give the entry module with --entry`);
  }
  return resolve(found);
}

/** The hooks' interfaces, as the manifest lists them. */
function interfaces({ named, lifecycle }) {
  return [...new Set([...(named.length > 0 ? ["named-hooks"] : []), ...lifecycle])];
}

/** Writes the world of this one applet: what every applet may import, chance, and its own hooks. */
async function writeWorld(folder, listed) {
  // Beside the package in a repository or a project, inside it when it was packed.
  const beside = resolve(PACKAGE, "../../wit/applet-host@0.1.0");
  const source = existsSync(beside) ? beside : join(PACKAGE, "wit");
  await cp(source, folder, { recursive: true });
  const exports = interfaces(listed).map((name) => `    export ${name};`);
  const world = ["world build {", "    include imports;", "    import wasi:random/random@0.2.0;", ...exports, "}"];
  await writeFile(join(folder, "build.wit"), ["package applet:host@0.1.0;", "", ...world, ""].join("\n"));
  const random = join(folder, "deps", "random");
  await mkdir(random, { recursive: true });
  const declared = "interface random { get-random-bytes: func(len: u64) -> list<u8>; }";
  await writeFile(join(random, "random.wit"), `package wasi:random@0.2.0;\n\n${declared}\n`);
}

/** The module that the component is made of: the engine's gaps filled, the applet, its exports. */
function entryModule(entry, listed) {
  const from = (path) => JSON.stringify(path);
  const exportNames = interfaces(listed).map((name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase()));
  return [
    `import ${from(join(PACKAGE, "src/runtime.ts"))};`,
    `import applet from ${from(entry)};`,
    `import { bind } from ${from(join(PACKAGE, "src/applet.ts"))};`,
    `const bound = bind(applet, ${JSON.stringify(listed)});`,
    ...exportNames.map((name) => `export const ${name} = bound.${name};`),
    "",
  ].join("\n");
}

/** What applets cannot have, by what the bundler says of it. */
const HINTS = [
  [/is built into node|Could not resolve "node:/, "an applet has no Node.js, no files and no network"],
  [/Top-level await/, "the host can be asked only while a hook runs: await inside the hook"],
];

/** The bundler's errors with their places, without its advice, which is for other platforms. */
async function mistake(errors, esbuild) {
  const plain = errors.map((error) => ({ ...error, notes: [] }));
  const shown = await esbuild.formatMessages(plain, { kind: "error", color: process.stderr.isTTY === true });
  const text = errors.map((error) => [error.text, ...error.notes.map((note) => note.text)].join(" ")).join(" ");
  const hints = HINTS.filter(([pattern]) => pattern.test(text)).map(([, hint]) => `\n  help: ${hint}`);
  return new UsageError(`the applet cannot be bundled\n\n${shown.join("").trimEnd()}${hints.join("")}`);
}

async function bundled(entry, listed, esbuild) {
  const result = await esbuild.build({
    stdin: { contents: entryModule(entry, listed), resolveDir: process.cwd(), sourcefile: "applet-entry.js" },
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "esnext",
    // The engine's own promises go on only after a hook has returned; see src/promise.ts.
    supported: { "async-await": false, "async-generator": false, "for-await": false, "top-level-await": false },
    external: ["applet:*", "wasi:*"],
    alias: { "@applet-host/sdk": join(PACKAGE, "src/index.ts") },
    define: { "process.env.NODE_ENV": '"production"' },
    legalComments: "none",
    logLevel: "silent",
  }).catch(async (error) => {
    throw error.errors === undefined ? error : await mistake(error.errors, esbuild);
  });
  return result.outputFiles[0].text;
}

async function main() {
  const given = options();
  if (given.help) {
    console.log(HELP);
    return;
  }
  const begin = performance.now();
  const { componentize, esbuild, parse } = await tools();
  const { id, listed } = await readManifest(given.manifest, parse);
  const out = given.out ?? join("dist", `${id}.wasm`);
  const jsSource = await bundled(entryOf(given.entry), listed, esbuild);
  if (given.bundle !== undefined) {
    await writeFile(given.bundle, jsSource);
  }
  const folder = await mkdtemp(join(tmpdir(), "applet-sdk-"));
  try {
    await writeWorld(folder, listed);
    // Not stubWasi, which would replace the clock with a trap.
    const made = componentize({ witPath: folder, jsSource, world: "build", sync: true, optSize: !given.fast });
    const { component } = await made.catch((error) => {
      // What the applet itself threw, without the way it took through the engine.
      const told = error.message.trim().replace(/^.*module evaluation: (Error: )?/s, "").replace(/\n {4}at .*/s, "");
      throw new UsageError(`the applet cannot be made a component: ${told}`);
    });
    await mkdir(dirname(out), { recursive: true });
    // Whoever watches the file never sees half of it.
    await writeFile(`${out}.new`, component);
    await rename(`${out}.new`, out);
    const milliseconds = Math.round(performance.now() - begin);
    if (given.json) {
      console.log(JSON.stringify({ ok: true, component: out, bytes: component.length, milliseconds }));
    } else {
      const size = `${(component.length / 2 ** 20).toFixed(1)} MiB`;
      console.log(`${relative(process.cwd(), resolve(out))}: ${size}, ${(milliseconds / 1000).toFixed(1)} s`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

main().catch((error) => {
  const asJson = process.argv.includes("--json");
  const message = error instanceof UsageError ? error.message : error.stack;
  console.error(asJson ? JSON.stringify({ ok: false, error: { message } }) : `error: ${message}`);
  process.exit(error instanceof UsageError ? 2 : 1);
});
