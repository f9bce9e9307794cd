// A device's state as one file: questions, answers, examples, weights, its id. Taken to another browser it is the same
// device there, so it moves and is not copied: two devices of one id would give one id to two questions.
import { EdgeError } from "./problem.ts";
import { ended, given, open, OURS, type StoreName } from "./store.ts";

const FORMAT = "py-edge-state";
/** Verified bytes of models are left out: they are fetched again. */
const TAKEN: StoreName[] = ["questions", "examples", "pointers"];
const MOST_BYTES = 256 * 2 ** 20;
const BINARY = { $float32: Float32Array, $uint8: Uint8Array };

type Rows = [number | string, unknown][];
interface State {
  format: typeof FORMAT;
  version: 1;
  databases: Record<string, Partial<Record<StoreName, Rows>>>;
}

/** Everything that this site keeps as device state. */
export async function exportState(): Promise<Blob> {
  const databases: State["databases"] = {};
  for (const { name } of await indexedDB.databases()) if (name?.startsWith(OURS)) databases[name] = await readRows(name);
  const state: State = { format: FORMAT, version: 1, databases };
  return new Blob([JSON.stringify(state, encode)], { type: "application/json" });
}

/** The ids under which this site has asked somebody; what was asked stays at the nodes when the device forgets. */
export async function askedAs(): Promise<string[]> {
  const ids: string[] = [];
  for (const { name } of await indexedDB.databases()) {
    const { questions, pointers } = name?.startsWith(OURS) ? await readRows(name) : {};
    const id = pointers?.find(([key]) => key === "device")?.[1];
    if (questions?.length && typeof id === "string") ids.push(id);
  }
  return ids;
}

/** Take a file that exportState made; gives the number of rows. Checked whole before anything is written.
 * Throws EdgeError: E_FORMAT (not such a file), E_CAPACITY, E_POLICY (this device has questions or examples of its own). */
export async function importState(file: Blob): Promise<number> {
  if (file.size > MOST_BYTES) throw new EdgeError({ code: "E_CAPACITY", message: "the file is too large", got: file.size, want: MOST_BYTES });
  const { databases } = checked(parse(await file.text()));
  for (const name of Object.keys(databases)) {
    const { questions, examples } = await readRows(name);
    if (questions!.length || examples!.length)
      throw new EdgeError({ code: "E_POLICY", message: "this device has questions or examples of its own", where: name, remedy: "Export them, Erase everything, then import" });
  }
  let count = 0;
  for (const [name, stores] of Object.entries(databases)) {
    const database = await open(name);
    const transaction = database.transaction(TAKEN, "readwrite", { durability: "strict" });
    const work: Promise<unknown>[] = [ended(transaction)];
    for (const store of TAKEN) {
      work.push(given(transaction.objectStore(store).clear()));
      for (const [key, value] of stores[store] ?? []) work.push(given(transaction.objectStore(store).put(value, key)));
      count += stores[store]?.length ?? 0;
    }
    await Promise.all(work).finally(() => database.close());
  }
  return count;
}

async function readRows(name: string): Promise<Partial<Record<StoreName, Rows>>> {
  const database = await open(name);
  const rows: Partial<Record<StoreName, Rows>> = {};
  for (const store of TAKEN) {
    const table = database.transaction(store).objectStore(store);
    const [keys, values] = await Promise.all([given(table.getAllKeys()), given(table.getAll())]);
    rows[store] = keys.map((key, i) => [key as number | string, values[i]]);
  }
  database.close();
  return rows;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text, decode);
  } catch (error) {
    throw error instanceof EdgeError ? error : new EdgeError({ code: "E_FORMAT", message: "this is not JSON", got: String(error) });
  }
}

function checked(given: unknown): State {
  const wrong = (where: string, got: unknown, want: string): never => {
    throw new EdgeError({ code: "E_FORMAT", message: "this is no exported state", where, got: String(got), want });
  };
  const state = given as Partial<State> | null;
  if (state?.format !== FORMAT) wrong("/format", state?.format, FORMAT);
  if (state!.version !== 1) wrong("/version", state!.version, "1");
  if (!isRecord(state!.databases)) wrong("/databases", state!.databases, "an object");
  for (const [name, stores] of Object.entries(state!.databases!)) {
    if (!name.startsWith(OURS) || !isRecord(stores)) wrong(`/databases/${name}`, typeof stores, `a name that begins with ${OURS}`);
    for (const [store, rows] of Object.entries(stores)) {
      const where = `/databases/${name}/${store}`;
      if (!TAKEN.includes(store as StoreName)) wrong(where, store, TAKEN.join(", "));
      const key = store === "pointers" ? "string" : "number";
      if (!Array.isArray(rows) || !rows.every((row) => Array.isArray(row) && row.length === 2 && typeof row[0] === key && (key === "string" || (row[1] as { sequence?: unknown })?.sequence === row[0]))) wrong(where, typeof rows, `[${key}, row] pairs`);
    }
  }
  return state as State;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function encode(_key: string, value: unknown): unknown {
  for (const [tag, type] of Object.entries(BINARY))
    if (value instanceof type) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      let text = "";
      for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
      return { [tag]: btoa(text) };
    }
  return value;
}

function decode(_key: string, value: unknown): unknown {
  if (!isRecord(value)) return value;
  for (const [tag, type] of Object.entries(BINARY))
    if (typeof value[tag] === "string") {
      const bytes = Uint8Array.from(atob(value[tag]), (char) => char.charCodeAt(0));
      return new type(bytes.buffer);
    }
  return value;
}
