// The stand-alone executor: the C kernels as one WebAssembly module with its own memory, driven without Python.
// Memory from __heap_base up: weights | arena | code | blob (read only while `init` runs).
import { fetchBytes, type FetchOptions, request } from "./fetching.ts";
import { parsePlan, type Plan } from "./plan.ts";
import { EdgeError } from "./problem.ts";
import type { Executors, Locked, PlanHeader } from "./protocol.ts";

// Tiny modules that use one instruction of the feature: i8x16.splat, i8x16.relaxed_swizzle.
const SIMD = "0061736d010000000105016000017b030201000a0a0108004100fd0ffd620b";
const RELAXED = "0061736d010000000105016000017b030201000a0f010d004101fd0f4102fd0ffd80020b";
const PAGE = 65536;
const ALIGN = 64;

interface Exports {
  memory: WebAssembly.Memory;
  __heap_base: WebAssembly.Global;
  pe_abi_version(): number;
  pe_panel(): number;
  pe_run(code: number, begin: number, end: number, arena: number, weights: number, blob: number): number;
}

const valid = (text: string) => WebAssembly.validate(Uint8Array.from(text.match(/../g)!, (pair) => parseInt(pair, 16)));

/** Which executor this engine can run. Throws E_ENVIRONMENT if none. */
export function chooseVariant(): "relaxed" | "simd128" {
  if (typeof WebAssembly === "object" && valid(SIMD)) return valid(RELAXED) ? "relaxed" : "simd128";
  throw new EdgeError({
    code: "E_ENVIRONMENT", message: "this browser has no WebAssembly SIMD", where: "executor",
    remedy: "use a browser of 2023 or later (Chrome 91, Firefox 89, Safari 16.4), or ask a node instead",
  });
}

/** Fetch and compile the executor for this engine; compiled while it streams where the server names the type. */
export async function compileExecutor(executors: Executors, options: FetchOptions = {}): Promise<{ module: WebAssembly.Module; variant: "relaxed" | "simd128" }> {
  const variant = chooseVariant();
  const file: Locked = executors[variant];
  if (!file.sha256) {
    const response = await request(file.url, options);
    if (response.headers.get("content-type") === "application/wasm") return { module: await WebAssembly.compileStreaming(response), variant };
    return { module: await WebAssembly.compile(await response.arrayBuffer()), variant };
  }
  return { module: await WebAssembly.compile(await fetchBytes(file, options)), variant };
}

/** One plan in one memory. Not to be shared between callers: `run` uses the one arena. */
export class Executor {
  readonly header: PlanHeader;
  readonly #exports: Exports;
  readonly #at: { weights: number; arena: number; code: number; blob: number };

  constructor(module: WebAssembly.Module, bytes: Uint8Array) {
    const plan: Plan = parsePlan(bytes);
    this.header = plan.header;
    this.#exports = new WebAssembly.Instance(module, {}).exports as unknown as Exports;
    const abi = this.#exports.pe_abi_version();
    const panel = this.#exports.pe_panel();
    if (abi !== plan.header.abi || panel !== plan.header.panel)
      throw new EdgeError({
        code: "E_FORMAT", where: "plan", message: "the plan was made for another executor",
        got: `abi ${plan.header.abi}, panel ${plan.header.panel}`, want: `abi ${abi}, panel ${panel}`,
      });
    const align = (address: number) => Math.ceil(address / ALIGN) * ALIGN;
    const weights = align(Number(this.#exports.__heap_base.value));
    const arena = align(weights + plan.header.weights_bytes);
    const code = align(arena + plan.header.arena_bytes);
    const blob = align(code + plan.code.byteLength);
    this.#at = { weights, arena, code, blob };
    this.#reserve(blob + plan.blob.length);
    const memory = new Uint8Array(this.#exports.memory.buffer);
    memory.set(new Uint8Array(plan.code.buffer), code);
    memory.set(plan.blob, blob);
    this.#step(plan.header.init);
  }

  /** Bytes of this instance's memory. */
  get memoryBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  /** Inputs in plan order, float32 in row-major order; outputs copied out. Throws E_SHAPE, E_KERNEL. */
  run(inputs: readonly Float32Array[]): Float32Array[] {
    this.header.inputs.forEach((slot, i) => {
      const view = this.#view(slot.offset, slot.shape);
      const got = inputs[i];
      if (got?.length !== view.length)
        throw new EdgeError({ code: "E_SHAPE", message: "the input has the wrong size", where: slot.name, got: got?.length ?? 0, want: `${view.length} for ${slot.shape.join("×")}` });
      view.set(got);
    });
    this.#step(this.header.run);
    return this.header.outputs.map((slot) => this.#view(slot.offset, slot.shape).slice());
  }

  #view(offset: number, shape: readonly number[]): Float32Array {
    return new Float32Array(this.#exports.memory.buffer, this.#at.arena + offset, shape.reduce((a, b) => a * b, 1));
  }

  #step([begin, end]: [number, number]): void {
    const { code, arena, weights, blob } = this.#at;
    const status = this.#exports.pe_run(code, begin, end, arena, weights, blob);
    if (status !== 0) throw new EdgeError({ code: "E_KERNEL", message: "a kernel refused its arguments", where: "pe_run", got: status, want: 0 });
  }

  #reserve(end: number): void {
    const missing = end - this.#exports.memory.buffer.byteLength;
    if (missing <= 0) return;
    try {
      this.#exports.memory.grow(Math.ceil(missing / PAGE));
    } catch {
      throw new EdgeError({ code: "E_CAPACITY", message: "the model does not fit in this tab's memory", where: "executor", want: `${end} bytes` });
    }
  }
}
