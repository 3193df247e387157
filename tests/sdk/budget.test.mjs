/** The SDK as it is shipped: its size, its public names, its types. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as sdk from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";

const SDK = new URL("../../sessionstore_app/static/sessionstore_app/sdk/", import.meta.url);
const BUDGET_BYTES = 10 * 1024;

const modules = readdirSync(SDK).filter((name) => name.endsWith(".js"));
const source = (name) => readFileSync(new URL(name, SDK), "utf8");

test("all modules together fit into 10 KB gzipped", () => {
  assert.ok(modules.includes("index.js"));
  const bytes = gzipSync(modules.map(source).join(""), { level: 9 }).length;
  assert.ok(bytes <= BUDGET_BYTES, `${bytes} bytes`);
});

test("the modules need nothing but each other", () => {
  for (const name of modules) {
    for (const [, path] of source(name).matchAll(/(?:from|import) "([^"]+)";/g)) {
      assert.ok(modules.includes(path.replace("./", "")), `${name} imports ${path}`);
    }
  }
});

test("the public names are those of index.d.ts", () => {
  const declared = [...source("index.d.ts").matchAll(/^export (?:function|class|const) (\w+)/gm)].map(
    ([, name]) => name,
  );
  assert.deepEqual(Object.keys(sdk).sort(), declared.sort());
});

const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", import.meta.url));

test("the types hold", { skip: !existsSync(tsc) && "TypeScript is not installed: npm ci in tests/sdk" }, () => {
  const project = fileURLToPath(new URL("tsconfig.json", import.meta.url));
  try {
    execFileSync(process.execPath, [tsc, "--project", project], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
});
