// Copies the interfaces into the package before it is packed; in the repository they are read where they are.

import { cp, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const to = fileURLToPath(new URL("../wit", import.meta.url));
await rm(to, { recursive: true, force: true });
await cp(fileURLToPath(new URL("../../../wit/applet-host@0.1.0", import.meta.url)), to, { recursive: true });
