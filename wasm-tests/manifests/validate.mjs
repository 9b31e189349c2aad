// Holds manifests against the schemas that Istio and the Gateway API publish, as npm packages have them. Reads a JSON list of manifests from
// standard input; prints each fault on a line of its own, and ends with 1 if there is one.
//
// The packages say the same twice: code that checks what the API server checks (formats, ranges, what is required), and types that name
// every field, which find what the API server drops without a word: a field that does not exist.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
const manifests = JSON.parse(readFileSync(0, "utf8"));
const faults = [];

// The module that has a manifest's class and type, if any has.
function moduleOf({ apiVersion }) {
  const [group] = apiVersion.split("/");
  if (group.endsWith(".istio.io")) return `@kubernetes-models/istio/${apiVersion}`;
  if (group === "gateway.networking.k8s.io") return `@kubernetes-models/gateway-api/${apiVersion}`;
  return undefined;
}

const lines = [];
for (const [number, manifest] of manifests.entries()) {
  const name = `${manifest.kind} ${manifest.metadata?.name}`;
  const module = moduleOf(manifest);
  const kind = module && (await import(module).catch(() => ({})))[manifest.kind];
  if (!kind) {
    faults.push(`${name}: no schema of ${manifest.apiVersion}`);
    continue;
  }
  try {
    new kind(manifest).validate();
  } catch (error) {
    faults.push(`${name}: ${error.message}`);
  }
  lines.push(`import type { I${manifest.kind} as T${number} } from "${module}";`);
  lines.push(`export const m${number}: T${number} = ${JSON.stringify(manifest)};`);
}

const temporary = mkdtempSync(join(folder, "types-"));
try {
  writeFileSync(join(temporary, "manifests.ts"), lines.join("\n"));
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext"];
  const compiler = join(folder, "node_modules/typescript/bin/tsc");
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, ...options, "manifests.ts"], { cwd: temporary, encoding: "utf8" });
  if (status !== 0) faults.push(...`${stdout}${stderr}`.trim().split("\n"));
} finally {
  rmSync(temporary, { recursive: true });
}

for (const fault of faults) console.log(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
