// A helper of the executor: its own instance and stack on the shared memory; it stays inside the C code until it is stopped.
import type { CrewExports, Enlisted } from "./crew.ts";

self.onmessage = ({ data }: MessageEvent<Enlisted>) => {
  const exports = new WebAssembly.Instance(data.module, { env: { memory: data.memory } }).exports as unknown as CrewExports;
  exports.__stack_pointer.value = data.stack;
  self.postMessage("serving");
  try {
    exports.pe_crew_serve(data.crew, data.thread);
  } catch {
    exports.pe_crew_lose(data.crew);
  }
};
