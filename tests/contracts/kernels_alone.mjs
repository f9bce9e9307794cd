// Run kernel cases on a stand-alone module: node kernels_alone.mjs MODULE CASES RESULTS
// CASES: JSON [{code: [int32], arena: base64}]; RESULTS: JSON {panel, version, results: [{status, arena: base64}]}
import { readFileSync, writeFileSync } from "node:fs";

const [path, cases, results] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(path), {});
const { memory, __heap_base, pe_run, pe_panel, pe_abi_version } = instance.exports;

function run({ code, arena }) {
  const bytes = Buffer.from(arena, "base64");
  const begin = Math.ceil(__heap_base.value / 64) * 64;
  const base = begin + Math.ceil((code.length * 4 + 64) / 64) * 64;
  const missing = base + bytes.length + 64 - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65536));
  new Int32Array(memory.buffer, begin, code.length).set(code);
  new Uint8Array(memory.buffer, base, bytes.length).set(bytes);
  const status = pe_run(begin, 0, code.length, base, base, base);
  return { status, arena: Buffer.from(new Uint8Array(memory.buffer, base, bytes.length)).toString("base64") };
}

const all = JSON.parse(readFileSync(cases, "utf8"));
const answer = { panel: pe_panel(), version: pe_abi_version(), results: all.map(run) };
writeFileSync(results, JSON.stringify(answer));
