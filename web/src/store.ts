// Durable state of one model on this device: questions, answers, examples, weights, pointers. IndexedDB with strict
// durability; plain memory where the browser denies storage (the page then says so).
import { hex } from "./digest.ts";
import type { Answer, LearnOptions, Problem, Question, Release } from "./protocol.ts";

/** One question of this device with all that is known of it; `state` "asked" is the outbox. */
export interface QuestionRow {
  sequence: number;
  question: Question;
  /** The whole input, to learn from, where the question carries less. */
  whole?: Float32Array;
  state: "asked" | "sent" | "answered" | "dead";
  attempts: number;
  next_ms: number;
  sent_ms: number | null;
  answered_ms: number | null;
  answer: Answer | null;
  /** The highest revision heard, by `numbered_by`. */
  heard?: Record<string, number>;
  problem: Problem | null;
}

/** What came home: to learn from, or, when it was an audit, evidence that is never trained on. `generation` counts the
 * fine-tunes that have seen it. */
export interface ExampleRow {
  sequence: number;
  input: Float32Array;
  label_index: number;
  weight: number;
  source: string;
  audit: boolean;
  generation: number;
}

/** What the device has learnt on top of a release. */
export interface Tuned {
  base_digest: string;
  /** null: the release's own plan with another temperature and threshold. */
  plan: Uint8Array<ArrayBuffer> | null;
  /** The changed weights that the plan was made of; absent where an older page wrote it. */
  change?: Uint8Array<ArrayBuffer> | null;
  temperature: number;
  threshold: number;
  examples: number;
}

/** A fine-tune that has begun and not ended: all that it needs to go on after the tab or its worker has died. */
export interface Lesson {
  base_digest: string;
  options: LearnOptions;
  /** Keys of the examples that it learns from. */
  examples: number[];
  /** Generations of its state, by name. */
  kept: Map<string, Uint8Array<ArrayBuffer>>;
  /** How often it was begun since the last generation; a fit that kills its tab would do so each time. */
  attempts: number;
}

interface Rows {
  questions: { key: number; value: QuestionRow };
  examples: { key: number; value: ExampleRow };
  blobs: { key: string; value: Uint8Array<ArrayBuffer> };
  pointers: { key: string; value: unknown };
}

/** What every name begins with under which this site keeps something. */
export const OURS = "py-edge:";

export type StoreName = "questions" | "examples" | "blobs" | "pointers";
export const STORES: StoreName[] = ["questions", "examples", "blobs", "pointers"];

/** What work inside one transaction may do; nothing else may be awaited there. */
export interface Tables {
  get<S extends StoreName>(store: S, key: Rows[S]["key"]): Promise<Rows[S]["value"] | undefined>;
  all<S extends StoreName>(store: S): Promise<Rows[S]["value"][]>;
  put<S extends StoreName>(store: S, key: Rows[S]["key"], value: Rows[S]["value"]): Promise<void>;
  delete<S extends StoreName>(store: S, key: Rows[S]["key"]): Promise<void>;
}

export interface Store {
  readonly durable: boolean;
  write<T>(work: (tables: Tables) => Promise<T>): Promise<T>;
  read<T>(work: (tables: Tables) => Promise<T>): Promise<T>;
  close(): void;
}

/** Open the store of this name, which then knows the device's id; never fails, but `durable` may be false. */
export async function openStore(name: string): Promise<Store> {
  let store: Store | undefined;
  try {
    store = new Durable(name, await open(name));
    await store.write(deviceId);
    return store;
  } catch {
    store?.close(); // a full browser may open a database and then refuse the smallest row
    return new Volatile();
  }
}

/** @internal */
export function open(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => STORES.forEach((store) => request.result.createObjectStore(store));
  return given(request).then((database) => {
    database.onversionchange = () => database.close();
    return database;
  });
}

/** @internal */
export function given<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @internal */
export function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new DOMException("cut short", "AbortError"));
  });
}

/** What a transaction or an opening ends with when the browser closes the database from outside. */
const CUT = ["AbortError", "InvalidStateError", "UnknownError"];
const TRIES = 4;
const PAUSE_MS = 50;

class Durable implements Store {
  readonly durable = true;
  readonly #name: string;
  #database: Promise<IDBDatabase> | null;
  #closed = false;

  constructor(name: string, database: IDBDatabase) {
    this.#name = name;
    this.#database = Promise.resolve(database);
  }

  write<T>(work: (tables: Tables) => Promise<T>): Promise<T> {
    return this.#run("readwrite", work);
  }

  read<T>(work: (tables: Tables) => Promise<T>): Promise<T> {
    return this.#run("readonly", work);
  }

  close(): void {
    this.#closed = true;
    this.#drop(this.#database);
  }

  #drop(database: Promise<IDBDatabase> | null): void {
    if (this.#database === database) this.#database = null;
    void database?.then((open) => open.close(), () => undefined);
  }

  /** Storage wiped under an open page closes the database. Work cut by that changed nothing: it is done again, in a new one. */
  async #run<T>(mode: "readonly" | "readwrite", work: (tables: Tables) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      if (this.#closed) throw new DOMException("the store is closed", "InvalidStateError");
      const database = (this.#database ??= open(this.#name));
      try {
        return await transact(await database, mode, work);
      } catch (error) {
        if (!(error instanceof DOMException && CUT.includes(error.name)) || tries === TRIES) throw error;
        this.#drop(database);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }
}

async function transact<T>(database: IDBDatabase, mode: "readonly" | "readwrite", work: (tables: Tables) => Promise<T>): Promise<T> {
  const transaction = database.transaction(STORES, mode, { durability: "strict" });
  const tables: Tables = {
    get: async (store, key) => given(transaction.objectStore(store).get(key)),
    all: async (store) => given(transaction.objectStore(store).getAll()),
    put: async (store, key, value) => {
      await given(transaction.objectStore(store).put(value, key));
    },
    delete: async (store, key) => given(transaction.objectStore(store).delete(key)),
  };
  try {
    const [value] = await Promise.all([work(tables), ended(transaction)]);
    return value;
  } catch (error) {
    try {
      transaction.abort();
    } catch {
      // It has ended already, which is what was wanted.
    }
    throw transaction.error ?? error;
  }
}

class Volatile implements Store {
  readonly durable = false;
  readonly #stores = Object.fromEntries(STORES.map((store) => [store, new Map<unknown, unknown>()])) as Record<StoreName, Map<unknown, unknown>>;
  #last: Promise<unknown> = Promise.resolve();

  write<T>(work: (tables: Tables) => Promise<T>): Promise<T> {
    const tables: Tables = {
      get: async (store, key) => structuredClone(this.#stores[store].get(key)) as never,
      all: async (store) => structuredClone([...this.#stores[store].values()]) as never,
      put: async (store, key, value) => {
        this.#stores[store].set(key, structuredClone(value));
      },
      delete: async (store, key) => {
        this.#stores[store].delete(key);
      },
    };
    const run = this.#last.then(() => work(tables));
    this.#last = run.catch(() => undefined);
    return run;
  }

  read<T>(work: (tables: Tables) => Promise<T>): Promise<T> {
    return this.write(work);
  }

  close(): void {
    for (const store of STORES) this.#stores[store].clear();
  }
}

/** This device's id, made once; inside a transaction. */
export async function deviceId(tables: Tables): Promise<string> {
  const known = (await tables.get("pointers", "device")) as string | undefined;
  if (known) return known;
  const made = hex(crypto.getRandomValues(new Uint8Array(16)));
  await tables.put("pointers", "device", made);
  return made;
}

export async function releaseOf(tables: Tables): Promise<Release | undefined> {
  return (await tables.get("pointers", "release")) as Release | undefined;
}
