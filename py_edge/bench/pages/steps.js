// Our executor step by step, and the ceiling of this machine: for profiles and products, not for comparisons.
let module_, exports_, at, plan, card;
const ALIGN = 64;
const align = (n) => Math.ceil(n / ALIGN) * ALIGN;

const runtime = {
  async start() {
    module_ = await WebAssembly.compileStreaming(fetch(`/executors/alone-${query.get("variant") ?? "relaxed"}.wasm`));
  },
  async load() {},
  // plan: its file; -> header
  async open({ plan: url }) {
    await start();
    const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
    const view = new DataView(bytes.buffer);
    const codeAt = 16 + view.getUint32(8, true);
    const words = view.getUint32(12, true);
    plan = JSON.parse(new TextDecoder().decode(bytes.subarray(16, codeAt)));
    const code = bytes.subarray(codeAt, codeAt + 4 * words);
    const blob = bytes.subarray(bytes.length - plan.blob_bytes);
    exports_ = new WebAssembly.Instance(module_, {}).exports;
    at = { weights: align(Number(exports_.__heap_base.value)) };
    at.arena = align(at.weights + plan.weights_bytes);
    at.code = align(at.arena + plan.arena_bytes);
    at.blob = align(at.code + code.length);
    const missing = at.blob + blob.length - exports_.memory.buffer.byteLength;
    if (missing > 0) exports_.memory.grow(Math.ceil(missing / 65536));
    const memory = new Uint8Array(exports_.memory.buffer);
    memory.set(code, at.code);
    memory.set(blob, at.blob);
    step(plan.init);
    for (const { offset, shape } of plan.inputs) {
      const size = shape.reduce((a, b) => a * b, 1);
      new Float32Array(exports_.memory.buffer, at.arena + offset, size).forEach((_, i, all) => (all[i] = Math.sin(i)));
    }
    return plan;
  },
  // ranges: [[begin, end)]; runs all of them in order, again and again -> ms of each, the mean of the faster half
  times({ ranges, seconds }) {
    const times = ranges.map(() => []);
    const once = (kept) => {
      for (let i = 0; i < ranges.length; i++) {
        const before = performance.now();
        step(ranges[i]);
        if (kept) times[i].push(performance.now() - before);
      }
    };
    const warmed = performance.now() + Math.min(1, seconds) * 1000;
    while (performance.now() < warmed) once(false);
    for (const end = performance.now() + seconds * 1000; performance.now() < end || times[0].length < 5; ) once(true);
    const ms = times.map((row) => {
      const kept = row.sort((a, b) => a - b).slice(0, Math.max(1, row.length >> 1));
      return kept.reduce((a, b) => a + b, 0) / kept.length;
    });
    return { ms, runs: times[0].length };
  },
  // one range so often that a call costs nothing beside it -> ms per run: the median of groups, or the least
  time({ range, seconds, least = false }) {
    let group = 1;
    const times = [];
    // meanwhile the optimising compiler takes over, which a median of few long runs would not forgive
    for (const end = performance.now() + 300; performance.now() < end; ) step(range);
    for (const end = performance.now() + seconds * 1000; performance.now() < end || times.length < 3; ) {
      const before = performance.now();
      for (let i = 0; i < group; i++) step(range);
      const ms = performance.now() - before;
      if (ms < 2 && group < 1e6) group *= 2;
      else times.push(ms / group);
    }
    return least ? Math.min(...times) : median(times.slice(times.length >> 2));
  },
  // GFLOP/s of chains in registers { mul_add, fma } and GB/s of reading 5.1 MB again and again, the best of several
  async ceiling() {
    const { instance } = await WebAssembly.instantiateStreaming(fetch("/built/peak.wasm"), {});
    const rounds = 2_000_000;
    const reads = 50;
    const best = (name, count, work) => {
      const run = instance.exports[name];
      run(count, 0.999, 0.001);
      const times = Array.from({ length: 15 }, () => {
        const before = performance.now();
        run(count, 0.999, 0.001);
        return performance.now() - before;
      });
      return (count * work) / Math.min(...times) / 1e6;
    };
    const flops = 12 * 4 * 2;
    return { mul_add: best("mul_add", rounds, flops), fma: best("fma", rounds, flops), read_gb_s: best("read_all", reads, 4 * 1280 * 1000) };
  },
};

function step([begin, end]) {
  const status = exports_.pe_run(at.code, begin, end, at.arena, at.weights, at.blob);
  if (status) throw new Error(`pe_run gives ${status} for ${begin}-${end}`);
}
