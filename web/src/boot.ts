// Start Pyodide inside a worker: watched fetches, the snapshot if it is to be had, our wheel unpacked.
import { compileFile, fetchBytes, requestFile } from "./fetching.ts";
import { EdgeError } from "./problem.ts";
import type { Boot, Locked, Progress } from "./protocol.ts";

export interface PyProxy {
  (...args: unknown[]): unknown;
  [name: string]: unknown;
  toJs(options: object): unknown;
  destroy(): void;
}

export interface Pyodide {
  version: string;
  FS: { analyzePath(path: string): { exists: boolean } };
  unpackArchive(buffer: ArrayBuffer | Uint8Array, format: string): void;
  pyimport(name: string): PyProxy;
  loadPackage(names: string[], options: object): Promise<unknown>;
  toPy(value: unknown): unknown;
}

/** Count the bytes of the runtime's own fetches as they stream, and compile the interpreter at once, while the snapshot is
 * still on its way: Pyodide instantiates it when it gets there. `failed` rejects when one is refused, is a web page or has
 * another length: Pyodide itself would wait for ever. */
function watchFetches(files: readonly Locked[], onbytes: (count: number) => void): { failed: Promise<never>; restore(): void } {
  const wanted = new Map(files.map((file) => [file.url, file]));
  const original = self.fetch;
  let fail!: (error: unknown) => void;
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  failed.catch(() => undefined);
  const wasm = files.find((file) => file.url.endsWith(".wasm"));
  const { instantiateStreaming } = WebAssembly;
  if (wasm) {
    const compiled = compileFile(wasm, { onbytes, fetch: original });
    compiled.catch(fail);
    WebAssembly.instantiateStreaming = async (_source, imports) => {
      const module = await compiled;
      return { module, instance: await WebAssembly.instantiate(module, imports) };
    };
  }
  self.fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : new URL(input, self.location.href).href;
    const file = wanted.get(url);
    if (!file) return original(input, init);
    if (file === wasm) return new Response(); // handed on to instantiateStreaming, which has the module already
    try {
      const response = await requestFile(url, { fetch: original });
      let left = file.size;
      const counter = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          left -= chunk.length;
          onbytes(chunk.length);
          if (left >= 0) return controller.enqueue(chunk);
          const error = new EdgeError({ code: "E_INTEGRITY", message: "more bytes than promised", where: url, want: file.size });
          controller.error(error);
          fail(error);
        },
        flush() {
          if (left) fail(new EdgeError({ code: "E_INTEGRITY", message: "the length is wrong", where: url, got: file.size - left, want: file.size }));
        },
      });
      return new Response(response.body!.pipeThrough(counter), { status: 200, headers: response.headers });
    } catch (error) {
      fail(error);
      throw error;
    }
  };
  const restore = () => {
    self.fetch = original;
    WebAssembly.instantiateStreaming = instantiateStreaming;
  };
  return { failed, restore };
}

/** The memory snapshot, unpacked. Rejects where that is not to be had; it only saves time. */
async function readSnapshot(file: Locked, onbytes: (count: number) => void): Promise<Uint8Array> {
  const bytes = await fetchBytes(file, { onbytes });
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

export interface Started {
  pyodide: Pyodide;
  steps: Record<string, number>;
  mark(step: string): void;
}

/** Python with py_edge importable. Throws EdgeError: what could not be had, or that Python did not start. */
export async function boot({ runtime, files, wheels, snapshot }: Boot, tellProgress: (progress: Progress) => void): Promise<Started> {
  // Pyodide leaves a promise of its own without a catch when a fetch of ours fails; the page has been told by then.
  self.addEventListener("unhandledrejection", (event) => {
    if ((event as PromiseRejectionEvent).reason instanceof EdgeError) event.preventDefault();
  });
  const begin = performance.now();
  const steps: Record<string, number> = {};
  const total = [...files, ...wheels, ...(snapshot ? [snapshot] : [])].reduce((sum, file) => sum + file.size, 0);
  let done = 0;
  const tell = (phase: Progress["phase"]) => tellProgress({ phase, done, total: Math.max(done, total) });
  const onbytes = (count: number) => {
    done += count;
    tell("runtime");
  };
  const mark = (step: string) => void (steps[step] = Math.round(performance.now() - begin));
  const wheelBytes = Promise.all(wheels.map((wheel) => fetchBytes(wheel, { onbytes })));
  wheelBytes.catch(() => undefined);
  const memory = snapshot && typeof DecompressionStream === "function" ? readSnapshot(snapshot, onbytes) : null;
  memory?.then(() => mark("snapshot"), () => undefined);
  const { failed, restore } = watchFetches(files, onbytes);
  let pyodide: Pyodide;
  try {
    const { loadPyodide } = (await import(/* @vite-ignore */ `${runtime}pyodide.mjs`)) as { loadPyodide(options: object): Promise<Pyodide> };
    mark("loader");
    const options = {
      indexURL: runtime,
      packageBaseUrl: runtime,
      enableRunUntilComplete: false,
      env: { HOME: "/home/web" },
      stdout: (line: string) => console.log(line),
      stderr: (line: string) => console.warn(line),
    };
    // Pyodide takes the promise and loads its own script meanwhile.
    const starting = memory ? loadPyodide({ ...options, _loadSnapshot: memory }).catch(() => loadPyodide(options)) : loadPyodide(options);
    pyodide = await Promise.race([starting, failed]);
  } catch (error) {
    throw error instanceof EdgeError ? error : new EdgeError({ code: "E_ENVIRONMENT", message: `Python did not start: ${String(error)}`, where: runtime });
  } finally {
    restore();
  }
  mark("python");
  tell("packages");
  for (const bytes of await wheelBytes) pyodide.unpackArchive(bytes, "wheel");
  mark("wheel");
  // Modules come by import, which tells no bytes; by now they are here.
  done = total;
  tell("warmup");
  return { pyodide, steps, mark };
}
