/** A room type as the server's command wrote it down: compiled with the SDK, never run. */

import { connect, type Entry } from "../../sessionstore_app/static/sessionstore_app/sdk/index.js";
import type { Pin, Stage } from "./stage.js";

/** Fails to compile where the types differ. */
function same<Type>() {
  return <Other>(_: Other, ...proof: [Type] extends [Other] ? ([Other] extends [Type] ? [] : [never]) : [never]) =>
    proof;
}

export async function onStage() {
  const session = await connect<Stage>();
  const { store, can } = await session.join("stage/1", { observe: ["pinned", "hand/*"] });

  same<Pin[] | null>()(await store.get("pinned"));
  same<number | null>()(await store.get(`hand/${session.id}`));
  store.observe("question/*", (entry) => same<Entry<string>>()(entry));
  store.observe("spotlight", (entry) => same<Entry<string>>()(entry));
  await store.set("spotlight", session.id);
  await store.set("pinned", [{ id: "1" }]);
  same<boolean>()(await can("write", "ballot/1"));

  // @ts-expect-error a session's id is text
  await store.set("spotlight", 5);
  // @ts-expect-error no such key
  await store.get("spot");
  // @ts-expect-error an item needs an id
  await store.set("pinned", [{ text: "hello" }]);
  // @ts-expect-error no such key
  await can("write", "ballots/1");
}
