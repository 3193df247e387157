/** The SDK as it is shipped: its size, its public names, its types. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as sdk from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";

const SDK = new URL("../../sessionstore_app/static/sessionstore_app/sdk/", import.meta.url);
const CORE_BYTES = 10 * 1024;
const PARTS_BYTES = 4 * 1024;

const modules = readdirSync(SDK)
  .filter((name) => name.endsWith(".js"))
  .sort();
const source = (name) => readFileSync(new URL(name, SDK), "utf8");
const found = (name, pattern) => [...source(name).matchAll(pattern)].map(([, path]) => path.replace("./", ""));
const imported = (name) => found(name, /(?:from|import) "([^"]+)";/g);
const loadedLater = (name) => found(name, /import\("([^"]+)"\)/g);

/** A module and all that a browser loads with it. */
function loadedWith(name, loaded = new Set()) {
  if (loaded.has(name)) return loaded;
  loaded.add(name);
  for (const other of imported(name)) loadedWith(other, loaded);
  return loaded;
}

const core = modules.filter((name) => loadedWith("index.js").has(name));
const parts = modules.filter((name) => !core.includes(name));
const size = (names) => gzipSync(names.map(source).join(""), { level: 9 }).length;

test("what a page loads that only shares a room fits into 10 KB gzipped", () => {
  assert.ok(core.length > 10);
  assert.ok(size(core) <= CORE_BYTES, `${size(core)} bytes`);
});

test("what is loaded for sessions and locks when they are first used fits into 4 KB gzipped", () => {
  assert.deepEqual(core.flatMap(loadedLater), ["sessions.js", "locks.js"]);
  assert.deepEqual(parts.flatMap(loadedLater), []);
  const reached = new Set([...loadedWith("sessions.js"), ...loadedWith("locks.js")]);
  assert.deepEqual(
    parts.filter((name) => !reached.has(name)),
    [],
    "nothing is shipped that nobody loads",
  );
  assert.ok(size(parts) <= PARTS_BYTES, `${size(parts)} bytes`);
});

test("the modules need nothing but each other", () => {
  for (const name of modules)
    for (const path of [...imported(name), ...loadedLater(name)])
      assert.ok(modules.includes(path), `${name} imports ${path}`);
});

test("nothing is made of text, so that a strict Content-Security-Policy will do", () => {
  for (const name of modules) assert.doesNotMatch(source(name), /\beval\b|new Function|import\([^"]/, name);
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
