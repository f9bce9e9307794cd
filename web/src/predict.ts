// The smallest way in: `load(url)` gives a model that runs in the calling thread, with no Python and no worker.
import { ASSETS, BASE } from "./assets.ts";
import { compileExecutor, Executor } from "./executor.ts";
import { fetchBytes } from "./fetching.ts";
import { executorsAt } from "./layout.ts";
import type { Executors, PlanSlot, Progress } from "./protocol.ts";

export { EdgeError } from "./problem.ts";

export interface LoadOptions {
  signal?: AbortSignal;
  onprogress?: (progress: Progress) => void;
  /** Length in bytes and sha256 that the plan must have. */
  size?: number;
  sha256?: string;
  /** Where the executors are; by default beside this module. */
  executors?: Executors;
}

export interface Model {
  inputs: PlanSlot[];
  outputs: PlanSlot[];
  labels: string[] | null;
  /** Inputs in order, row-major float32; returns the outputs in order, copied. */
  run(...inputs: Float32Array[]): Float32Array[];
  /** Bytes held by the model. */
  memory(): number;
  dispose(): void;
}

/** Load a plan file. Throws EdgeError: E_NETWORK, E_NOT_FOUND, E_INTEGRITY, E_FORMAT, E_ENVIRONMENT, E_CAPACITY. */
export async function load(url: string | URL, options: LoadOptions = {}): Promise<Model> {
  const executors = options.executors ?? executorsAt(ASSETS, BASE);
  const file = { url: new URL(url, globalThis.document?.baseURI ?? import.meta.url).href, size: options.size ?? 0, sha256: options.sha256 ?? "" };
  let done = 0;
  const total = file.size + executors.simd128.size;
  const onbytes = (count: number) => options.onprogress?.({ phase: "model", done: (done += count), total: Math.max(total, done) });
  const [{ module }, bytes] = await Promise.all([
    compileExecutor(executors, { signal: options.signal }),
    fetchBytes(file, { signal: options.signal, onbytes }),
  ]);
  let executor: Executor | null = new Executor(module, bytes);
  options.onprogress?.({ phase: "model", done: Math.max(total, done), total: Math.max(total, done) });
  const { header } = executor;
  return {
    inputs: header.inputs,
    outputs: header.outputs,
    labels: header.meta?.labels ?? null,
    run: (...inputs) => {
      if (!executor) throw new TypeError("this model was disposed of");
      return executor.run(inputs);
    },
    memory: () => executor?.memoryBytes ?? 0,
    dispose: () => (executor = null),
  };
}
