// Bundles the unit tests and runs them with node:test. The host's modules become a recorder, test/host.ts.

import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const folder = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const out = folder(".test");

rmSync(out, { recursive: true, force: true });
await build({
  entryPoints: readdirSync(folder("test")).filter((file) => file.endsWith(".test.ts")).map((file) => folder(`test/${file}`)),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  alias: Object.fromEntries(
    ["applet:host/db@0.1.0", "applet:host/context@0.1.0", "applet:host/log@0.1.0", "wasi:random/random@0.2.0"].map(
      (name) => [name, folder("test/host.ts")],
    ),
  ),
  // As in a component: `async` becomes generators over whatever `Promise` is.
  supported: { "async-await": false },
  sourcemap: "inline",
  logLevel: "error",
});
const files = readdirSync(out).map((file) => `${out}/${file}`);
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" });
process.exit(status ?? 1);
