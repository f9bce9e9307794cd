// The stand-alone executor: the C kernels as one WebAssembly module with its own memory, driven without Python.
// Memory from __heap_base up: weights | arena | code | blob (read only while `init` runs).
import { type Crew, type CrewExports, INITIAL_PAGES, type makeCrew, roomOfCrew } from "./crew.ts";
import { compileFile, type FetchOptions } from "./fetching.ts";
import { count, parsePlan, type Plan } from "./plan.ts";
import { EdgeError } from "./problem.ts";
import type { Data, Executors, Locked, PlanHeader, PlanSlot } from "./protocol.ts";

// Tiny modules that use one instruction of the feature: i8x16.splat, i8x16.relaxed_swizzle.
const SIMD = "0061736d010000000105016000017b030201000a0a0108004100fd0ffd620b";
const RELAXED = "0061736d010000000105016000017b030201000a0f010d004101fd0f4102fd0ffd80020b";
const PAGE = 65536;
const ALIGN = 64;
/** Status of a run in which a helper was lost (kernels/pe.h). */
const LOST = -5 * 65536;

interface Exports {
  memory: WebAssembly.Memory;
  __heap_base: WebAssembly.Global;
  pe_abi_version(): number;
  pe_panel(): number;
  pe_run(code: number, begin: number, end: number, arena: number, weights: number, blob: number): number;
}

type CrewScript = { makeCrew: typeof makeCrew };

const VIEWS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

const valid = (text: string) => WebAssembly.validate(Uint8Array.from(text.match(/../g)!, (pair) => parseInt(pair, 16)));

/** Which executor this engine can run. Throws E_ENVIRONMENT if none. */
export function chooseVariant(): "relaxed" | "simd128" {
  if (typeof WebAssembly === "object" && valid(SIMD)) return valid(RELAXED) ? "relaxed" : "simd128";
  throw new EdgeError({
    code: "E_ENVIRONMENT", message: "this browser has no WebAssembly SIMD", where: "executor",
    remedy: "use a browser of 2023 or later (Chrome 91, Firefox 89, Safari 16.4), or ask a node instead",
  });
}

/** Fetch and compile the executor for this engine; compiled while it streams where the server names the type. shared: the
 * one whose memory several threads can share. */
export async function compileExecutor(
  executors: Executors, options: FetchOptions = {}, shared = false,
): Promise<{ module: WebAssembly.Module; variant: "relaxed" | "simd128" }> {
  const variant = chooseVariant();
  const file: Locked = shared ? executors.crew[variant] : executors[variant];
  return { module: await compileFile(file, options), variant };
}

/** One plan in one memory. Not to be shared between callers: `run` uses the one arena. */
export class Executor {
  readonly header: PlanHeader;
  readonly #module: WebAssembly.Module;
  #exports: Exports;
  #memory: WebAssembly.Memory;
  readonly #at: { weights: number; arena: number; code: number; blob: number };
  #inputs: Data[];
  #outputs: Data[];
  #crew: Crew | null = null;
  /** Why a run takes one thread although it may take more. */
  reason = "";

  /** threads: how many `enlist` may ask for; more than one needs the module whose memory can be shared.
   * Throws E_FORMAT, E_CAPACITY, E_KERNEL. */
  constructor(module: WebAssembly.Module, bytes: Uint8Array, threads = 1) {
    const plan: Plan = parsePlan(bytes);
    const { header } = plan;
    this.header = header;
    this.#module = module;
    const heap = (base: number) => {
      const weights = align(base);
      const arena = align(weights + header.weights_bytes);
      const code = align(arena + header.arena_bytes);
      const blob = align(code + plan.code.byteLength);
      return { weights, arena, code, blob, end: blob + plan.blob.length };
    };
    let at: ReturnType<typeof heap>;
    if (threads > 1) {
      // The module's own data lies below its initial memory; helpers need a stack and at most an arena of scratch each.
      at = heap(INITIAL_PAGES * PAGE);
      this.#memory = makeMemory(at.end, at.end + roomOfCrew(header.arena_bytes, threads));
      this.#exports = this.#instance();
    } else {
      this.#exports = new WebAssembly.Instance(module, {}).exports as unknown as Exports;
      this.#memory = this.#exports.memory;
      at = heap(Number(this.#exports.__heap_base.value));
      reserve(this.#memory, at.end);
    }
    this.#at = at;
    const abi = this.#exports.pe_abi_version();
    const panel = this.#exports.pe_panel();
    if (abi !== header.abi || panel !== header.panel)
      throw new EdgeError({
        code: "E_FORMAT", where: "plan", message: "the plan was made for another executor",
        got: `abi ${header.abi}, panel ${header.panel}`, want: `abi ${abi}, panel ${panel}`,
      });
    const memory = new Uint8Array(this.#memory.buffer);
    memory.set(new Uint8Array(plan.code.buffer), at.code);
    memory.set(plan.blob, at.blob);
    this.#step(header.init);
    this.#inputs = this.#views(header.inputs);
    this.#outputs = this.#views(header.outputs);
  }

  /** Bytes of this instance's memory. */
  get memoryBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /** How many threads a run takes. */
  get threads(): number {
    return this.#crew?.threads ?? 1;
  }

  /** Take helpers, where the plan has enough to share; else, or when they do not start, it stays with one thread and says why.
   * script: crew.ts, handed in, so that who needs no threads does not carry it. */
  async enlist(script: CrewScript | Promise<CrewScript>, threads: number, worker: string): Promise<void> {
    try {
      const { makeCrew } = await script;
      this.#crew = await makeCrew(this.#exports as unknown as CrewExports, this.#module, this.#memory, this.#at, this.header.run, threads, worker);
      this.reason = this.#crew ? "" : "the model is too small to share";
    } catch (error) {
      this.#alone(`helpers did not start: ${String(error)}`);
    }
  }

  /** Inputs in plan order, row-major; outputs copied out. Throws E_SHAPE, E_VALUE, E_KERNEL. */
  run(inputs: readonly (Data | undefined)[]): Data[] {
    for (let i = 0; i < this.#inputs.length; i++) {
      const view = this.#inputs[i]!;
      const got = inputs[i];
      if (got?.length !== view.length || got.constructor !== view.constructor) throw refused(this.header.inputs[i]!, got, view.length);
      view.set(got);
    }
    if (!this.#step(this.header.run)) {
      this.#leave();
      return this.run(inputs);
    }
    return this.#outputs.map((view) => view.slice());
  }

  dispose(): void {
    this.#crew?.stop();
    this.#crew = null;
  }

  #alone(reason: string): void {
    this.dispose();
    this.reason = reason;
    console.warn(`py-edge runs on one thread: ${reason}`);
  }

  /** A helper that was lost in the middle of a run may still write, so it goes on in another memory. */
  #leave(): void {
    this.#alone("a helper was lost");
    const { weights, blob } = this.#at;
    const kept = new Uint8Array(this.#memory.buffer, weights, blob - weights);
    this.#memory = makeMemory(blob, blob);
    this.#exports = this.#instance();
    new Uint8Array(this.#memory.buffer).set(kept, weights);
    this.#inputs = this.#views(this.header.inputs);
    this.#outputs = this.#views(this.header.outputs);
  }

  #instance(): Exports {
    return new WebAssembly.Instance(this.#module, { env: { memory: this.#memory } }).exports as unknown as Exports;
  }

  #views(slots: PlanSlot[]): Data[] {
    return slots.map(({ offset, shape, dtype }) => new VIEWS[dtype as keyof typeof VIEWS](this.#memory.buffer as ArrayBuffer, this.#at.arena + offset, count(shape)));
  }

  /** False when a helper was lost. */
  #step([begin, end]: [number, number]): boolean {
    const { code, arena, weights, blob } = this.#at;
    let status: number;
    try {
      status = this.#crew ? this.#crew.call(begin, end) : this.#exports.pe_run(code, begin, end, arena, weights, blob);
    } catch (error) {
      throw new EdgeError({ code: "E_KERNEL", message: "the plan reaches outside of its memory", where: "pe_run", got: String(error) });
    }
    if (status === LOST) return false;
    if (status !== 0) throw new EdgeError({ code: "E_KERNEL", message: "a kernel refused its arguments", where: "pe_run", got: status, want: 0 });
    return true;
  }
}

function refused(slot: PlanSlot, got: unknown, length: number): EdgeError {
  const facts = { where: slot.name, got: ArrayBuffer.isView(got) ? `${got.constructor.name} of ${(got as Data).length}` : typeof got };
  const wanted = VIEWS[slot.dtype as keyof typeof VIEWS];
  return got instanceof wanted
    ? new EdgeError({ code: "E_SHAPE", message: "the input has the wrong size", ...facts, want: `${length} for ${slot.shape.join("×")}` })
    : new EdgeError({ code: "E_VALUE", message: "the input has the wrong type", ...facts, want: `${wanted.name} for ${slot.dtype}` });
}

const align = (address: number) => Math.ceil(address / ALIGN) * ALIGN;

function tooLarge(bytes: number): EdgeError {
  return new EdgeError({ code: "E_CAPACITY", message: "the model does not fit in this tab's memory", where: "executor", want: `${bytes} bytes` });
}

/** Let the memory reach to `end`. Throws E_CAPACITY. */
function reserve(memory: WebAssembly.Memory, end: number): void {
  const missing = end - memory.buffer.byteLength;
  if (missing <= 0) return;
  try {
    memory.grow(Math.ceil(missing / PAGE));
  } catch {
    throw tooLarge(end);
  }
}

function makeMemory(bytes: number, most: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE), maximum: Math.ceil(most / PAGE), shared: true });
  } catch {
    throw tooLarge(most);
  }
}
