// The smallest way in: `load(url)` gives a model that runs in the calling thread, with no Python and no worker of its own
// unless it is asked for threads. A page or a worker imports it; a classic worker does so with `await import(...)`.
import { ASSETS, BASE } from "./assets.ts";
import { makeCrew, threadsHere } from "./crew.ts";
import { compileExecutor, Executor } from "./executor.ts";
import { fetchBytes } from "./fetching.ts";
import { executorsAt } from "./layout.ts";
import { compilePlan } from "./planner.ts";
import { EdgeError } from "./problem.ts";
import type { Data, Executors, PlanSlot, Progress } from "./protocol.ts";
import { PLAN_FILE } from "./source.ts";

export { EdgeError };

export interface LoadOptions {
  /** At most so many, where the page is cross-origin isolated and the model has enough to share; 1 by default. */
  threads?: number;
  signal?: AbortSignal;
  onprogress?: (progress: Progress) => void;
  /** Length in bytes and sha256 that the plan must have. */
  size?: number;
  sha256?: string;
  /** Where the executors are; by default beside this module. */
  executors?: Executors;
}

export type Port = Omit<PlanSlot, "offset">;
export type Inputs = Record<string, Data>;
export interface Output {
  data: Data;
  shape: number[];
  dtype: string;
}
export type Outputs = Record<string, Output>;

export interface Model {
  inputs: Port[];
  outputs: Port[];
  labels: string[] | null;
  /** How many threads a run takes; where it is one although more were asked for, `reason` says why. */
  threads: number;
  reason: string;
  /** Row-major data by input name: Float32Array, Int32Array, or Uint8Array for bool; several examples where `url` was a
   * model.json, each count compiled once. Rejects with E_NOT_FOUND, E_SHAPE, E_VALUE, E_KERNEL. */
  run(inputs: Inputs): Promise<Outputs>;
  /** The same at once, for exactly the shapes of `inputs`. */
  runSync(inputs: Inputs): Outputs;
  /** Bytes held by the model. */
  memory(): number;
  dispose(): void;
}

/** Load a model.json or the folder it lies in, named with a slash at the end (its plan lies beside it as wasm.plan, or is compiled by Python once and kept), or a plan file.
 *
 * Throws EdgeError: E_NETWORK, E_NOT_FOUND, E_POLICY, E_LIMIT, E_INTEGRITY, E_FORMAT, E_ENVIRONMENT, E_CAPACITY, and those of compiling. */
export async function load(url: string | URL, options: LoadOptions = {}): Promise<Model> {
  const executors = options.executors ?? executorsAt(ASSETS, BASE);
  const threads = threadsHere(options.threads ?? 1);
  const address = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href ?? import.meta.url);
  if (address.pathname.endsWith("/")) address.pathname += "model.json";
  const source = address.pathname.endsWith(".json") ? address.href : null;
  const { signal, onprogress } = options;
  let done = 0;
  const total = (options.size ?? 0) + executors.simd128.size;
  const tell = () => onprogress?.({ phase: "model", done, total: Math.max(total, done) });
  const onbytes = (count: number) => {
    done += count;
    tell();
  };
  const file = { url: source ? new URL(PLAN_FILE, source).href : address.href, size: options.size ?? 0, sha256: options.sha256 ?? "" };
  const read = () => fetchBytes(file, { signal, onbytes }).catch((error: unknown) => {
    const missing = error instanceof EdgeError && (error.code === "E_NOT_FOUND" || error.problem.message.startsWith("a web page"));
    if (!source || !missing) throw error;
    return compilePlan(source, 1, { signal, onprogress });
  });
  const [{ module }, bytes] = await Promise.all([compileExecutor(executors, { signal }, threads > 1), read()]);
  const open = async (plan: Uint8Array) => {
    const executor = new Executor(module, plan, threads);
    if (threads > 1) await executor.enlist({ makeCrew }, threads, executors.crew.worker);
    return executor;
  };
  const model = new Loaded(await open(bytes), source === null ? null : async (batch) => open(await compilePlan(source, batch, { signal, onprogress })));
  done = Math.max(total, done);
  tell();
  return model;
}

const MOST_BATCHES = 8;

class Loaded implements Model {
  readonly inputs: Port[];
  readonly outputs: Port[];
  readonly labels: string[] | null;
  readonly #names: string[];
  #executor: Executor | null;
  /** Executors for other numbers of examples, the least recently made first. */
  readonly #batches = new Map<number, Promise<Executor>>();
  readonly #specialise: ((batch: number) => Promise<Executor>) | null;

  constructor(executor: Executor, specialise: ((batch: number) => Promise<Executor>) | null) {
    const port = ({ name, shape, dtype }: PlanSlot) => ({ name, shape, dtype });
    this.#executor = executor;
    this.#specialise = specialise;
    this.inputs = executor.header.inputs.map(port);
    this.outputs = executor.header.outputs.map(port);
    this.labels = executor.header.meta?.labels ?? null;
    this.#names = this.inputs.map((input) => input.name);
  }

  get threads(): number {
    return this.#executor?.threads ?? 0;
  }

  get reason(): string {
    return this.#executor?.reason ?? "";
  }

  async run(inputs: Inputs): Promise<Outputs> {
    const batch = this.#specialise ? this.#batchOf(inputs) : 1;
    if (batch === 1) return this.runSync(inputs);
    this.#alive();
    return this.#through(await this.#made(batch), inputs);
  }

  runSync(inputs: Inputs): Outputs {
    return this.#through(this.#alive(), inputs);
  }

  memory(): number {
    return this.#executor?.memoryBytes ?? 0;
  }

  dispose(): void {
    this.#executor?.dispose();
    this.#executor = null;
    for (const made of this.#batches.values()) void made.then((executor) => executor.dispose(), () => undefined);
    this.#batches.clear();
  }

  #alive(): Executor {
    if (!this.#executor) throw new EdgeError({ code: "E_NOT_FOUND", message: "this model was disposed of", where: "predict.js" });
    return this.#executor;
  }

  #through(executor: Executor, inputs: Inputs): Outputs {
    const names = this.#names;
    for (const name in inputs) if (!names.includes(name)) throw this.#unknown(name);
    const ordered = names.map((name) => inputs[name] ?? this.#missing(name));
    const data = executor.run(ordered);
    const outputs: Outputs = {};
    executor.header.outputs.forEach(({ name, shape, dtype }, i) => (outputs[name] = { data: data[i]!, shape, dtype }));
    return outputs;
  }

  /** How many times the examples of the plan the first input holds; 1 when that is no whole number, which `run` refuses. */
  #batchOf(inputs: Inputs): number {
    const [first] = this.inputs;
    if (first?.shape[0] !== 1) return 1;
    const batch = (inputs[first.name]?.length ?? 0) / first.shape.reduce((a, b) => a * b, 1);
    return Number.isInteger(batch) && batch > 0 ? batch : 1;
  }

  #made(batch: number): Promise<Executor> {
    let made = this.#batches.get(batch);
    if (!made) {
      made = this.#specialise!(batch);
      this.#batches.set(batch, made);
      made.catch(() => this.#batches.delete(batch));
      const [oldest] = this.#batches.keys();
      if (this.#batches.size > MOST_BATCHES && oldest !== undefined) {
        void this.#batches.get(oldest)!.then((executor) => executor.dispose(), () => undefined);
        this.#batches.delete(oldest);
      }
    }
    return made;
  }

  #unknown(name: string): EdgeError {
    return new EdgeError({ code: "E_NOT_FOUND", message: "the model has no such input", where: "predict.js", got: name, want: this.#names.join(", ") });
  }

  #missing(name: string): never {
    throw new EdgeError({ code: "E_NOT_FOUND", message: "an input is missing", where: name, want: this.#names.join(", ") });
  }
}
