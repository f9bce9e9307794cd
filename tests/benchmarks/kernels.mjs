// Time kernel cases on a stand-alone module, in Node (node kernels.mjs CASES) or in a page (globalThis.runCases).
// {module: base64, cases: [{code, run, bytes}], blocks}; the arena is filled with numbers in [-1, 1) -> [[seconds per call, flop/s of the ceiling], ...] of the fastest blocks

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// ROUNDS of 12 chains of 4 lanes, 2 flops each: what one thread can do at all, measured between the blocks.
const ROUNDS = 3000000;
const PEAK_FLOPS = ROUNDS * 12 * 4 * 2;

globalThis.runCases = async ({ module, ceiling, cases, blocks }) => {
  const peak = (await WebAssembly.instantiate(bytesOf(ceiling), {})).instance.exports.fma;
  const peakBlock = () => {
    const start = performance.now();
    peak(ROUNDS, 0.5, 0.25);
    return (performance.now() - start) / 1e3;
  };
  const { instance } = await WebAssembly.instantiate(bytesOf(module), {});
  const { memory, __heap_base, pe_run } = instance.exports;
  return cases.map(({ code, run, bytes }) => {
    const begin = Math.ceil(__heap_base.value / 64) * 64;
    const base = begin + Math.ceil((code.length * 4 + 64) / 64) * 64;
    const missing = base + bytes + 64 - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    new Int32Array(memory.buffer, begin, code.length).set(code);
    const floats = new Float32Array(memory.buffer, base, bytes / 4);
    for (let i = 0; i < floats.length; i++) floats[i] = ((i * 0.618034) % 2) - 1;
    const status = pe_run(begin, 0, code.length, base, base, base);
    if (status) throw new Error(`status ${status}`);
    const block = (times) => {
      const start = performance.now();
      for (let i = 0; i < times; i++) pe_run(begin, run, code.length, base, base, base);
      return (performance.now() - start) / times / 1e3;
    };
    const warm = performance.now();
    while (performance.now() - warm < 60) block(1); // the optimising compiler takes over meanwhile
    let times = 1; // browsers cut their clock to 0.1 ms
    while (block(times) * times < 0.003) times *= 2;
    let best = Infinity;
    let ceiling = Infinity;
    for (let i = 0; i < blocks; i++) {
      ceiling = Math.min(ceiling, peakBlock());
      best = Math.min(best, block(times));
    }
    return [best, PEAK_FLOPS / ceiling];
  });
};

if (globalThis.process?.argv?.[2]) {
  const { readFileSync } = await import("node:fs");
  const found = await globalThis.runCases(JSON.parse(readFileSync(process.argv[2], "utf8")));
  console.log(JSON.stringify(found));
}
