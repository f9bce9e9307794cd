// Several threads on one plan: helpers in workers of their own share the executor's memory and serve it (kernels/crew.c).
// The thread that calls takes its own share and never sleeps, so it may be a page's.

export const INITIAL_PAGES = 16;
const PAGE = 65536;
const ALIGN = 64;
const CREW_BYTES = 512;
const STACK_BYTES = 262_144;
const START_TIMEOUT_MS = 10_000;
/** Multiply-adds of a step that is worth a barrier, about 2 us; and those that a run must have to share: with 2.6 million two threads are 1.3 times as fast, with 14 million 1.5 times. */
const STEP_WORK = 60_000;
const LEAST_WORK = 1_000_000;

export interface CrewExports {
  pe_crew_private(code: number, begin: number, end: number, threads: number, stepWork: number, leastWork: number): number;
  pe_crew_open(crew: number, threads: number, code: number, arena: number, weights: number, own: number, ownBytes: number, stepWork: number): void;
  pe_crew_call(crew: number, begin: number, end: number): number;
  pe_crew_serve(crew: number, thread: number): void;
  pe_crew_stop(crew: number): void;
  pe_crew_lose(crew: number): void;
  __stack_pointer: WebAssembly.Global;
}

/** What a helper needs: it makes an instance of its own on the shared memory. */
export interface Enlisted {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  crew: number;
  thread: number;
  stack: number;
}

export interface Crew {
  threads: number;
  call(begin: number, end: number): number;
  stop(): void;
}

/** How many threads a run may take here: one, unless the page is cross-origin isolated, so that memory can be shared. */
export function threadsHere(wanted: number): number {
  return globalThis.crossOriginIsolated ? Math.max(1, Math.min(16, Math.floor(wanted))) : 1;
}

/** Bytes that helpers need at most beyond the plan: a stack and scratch each. */
export function roomOfCrew(arenaBytes: number, threads: number): number {
  return CREW_BYTES + ALIGN + (threads - 1) * (arenaBytes + STACK_BYTES + 2 * ALIGN) + PAGE;
}

const align = (address: number) => Math.ceil(address / ALIGN) * ALIGN;

/** Helpers for this plan; null where it has too little to share. Throws when a helper does not start. */
export async function makeCrew(
  exports: CrewExports, module: WebAssembly.Module, memory: WebAssembly.Memory, at: { code: number; arena: number; weights: number },
  [begin, end]: [number, number], threads: number, worker: string,
): Promise<Crew | null> {
  const own = exports.pe_crew_private(at.code, begin, end, threads, STEP_WORK, LEAST_WORK);
  if (own < 0) return null;
  const crew = align(memory.buffer.byteLength);
  const privates = crew + CREW_BYTES;
  const stacks = align(privates + own * (threads - 1));
  const helpers: Worker[] = [];
  try {
    memory.grow(Math.ceil((stacks + STACK_BYTES * (threads - 1) - memory.buffer.byteLength) / PAGE));
    exports.pe_crew_open(crew, threads, at.code, at.arena, at.weights, privates, own, STEP_WORK);
    const started = Array.from({ length: threads - 1 }, (_, i) => {
      const helper = new Worker(worker, { type: "module", name: `py-edge kernels ${i + 1}` });
      helpers.push(helper);
      return serving(helper, { module, memory, crew, thread: i + 1, stack: stacks + STACK_BYTES * (i + 1) });
    });
    await Promise.all(started);
  } catch (error) {
    for (const helper of helpers) helper.terminate();
    throw error;
  }
  return {
    threads,
    call: (from, to) => exports.pe_crew_call(crew, from, to),
    stop: () => {
      exports.pe_crew_stop(crew);
      for (const helper of helpers) helper.terminate();
    },
  };
}

function serving(helper: Worker, enlisted: Enlisted): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("no answer")), START_TIMEOUT_MS);
    helper.onmessage = () => (clearTimeout(late), resolve());
    helper.onerror = (event) => (event.preventDefault(), clearTimeout(late), reject(new Error(event.message || "it could not be loaded")));
    helper.postMessage(enlisted);
  });
}
