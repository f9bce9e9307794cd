// Start Pyodide inside a worker: from the snapshot if it is to be had, else the long way with our wheel unpacked.
import { compileFile, fetchBytes, requestFile } from "./fetching.ts";
import { EdgeError } from "./problem.ts";
import type { Boot, Locked, Progress } from "./protocol.ts";
import { openSnapshot, type Snapshot } from "./snapshot.ts";

export interface PyProxy {
  (...args: unknown[]): unknown;
  [name: string]: unknown;
  toJs(options: object): unknown;
  destroy(): void;
}

interface FileSystem {
  analyzePath(path: string): { exists: boolean };
  mkdirTree(path: string): void;
  writeFile(path: string, bytes: Uint8Array, options?: object): void;
}

export interface Pyodide {
  version: string;
  FS: FileSystem;
  unpackArchive(buffer: ArrayBuffer | Uint8Array, format: string): void;
  pyimport(name: string): PyProxy;
  loadPackage(names: string[], options: object): Promise<unknown>;
  toPy(value: unknown): unknown;
}

/** Begin the runtime's own fetches at once and count their bytes as they stream; the interpreter is compiled meanwhile.
 * Pyodide is handed each where it asks for it. `failed` rejects when one is refused, is a web page or has another length:
 * Pyodide itself would wait for ever. */
function watchFetches(files: readonly Locked[], onbytes: (count: number) => void): { failed: Promise<never>; restore(): void } {
  const wanted = new Map(files.map((file) => [file.url, file]));
  const original = self.fetch;
  let fail!: (error: unknown) => void;
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  failed.catch(() => undefined);
  const early = new Map(files.filter((file) => /\.(zip|json)$/.test(file.url)).map(({ url }) => [url, requestFile(url, { fetch: original })]));
  for (const asked of early.values()) asked.catch(() => undefined);
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
      const asked = early.get(url) ?? requestFile(url, { fetch: original });
      early.delete(url);
      const response = await asked;
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

const WRAPPER_BYTES = 128;

/** Compile each wrapper once: Pyodide makes 261 modules, one per function, whose few bytes say the signature alone; 30 differ.
 * Gives what ends it. */
function shareWrappers(): () => void {
  const { Module } = WebAssembly;
  const made = new Map<string, WebAssembly.Module>();
  WebAssembly.Module = new Proxy(Module, {
    construct(target, [bytes]: [Uint8Array<ArrayBuffer>]) {
      if (!(bytes.length <= WRAPPER_BYTES)) return new target(bytes);
      const key = bytes.join();
      const module = made.get(key) ?? new target(bytes);
      made.set(key, module);
      return module;
    },
  });
  return () => {
    WebAssembly.Module = Module;
  };
}

type Load = (options: object) => Promise<Pyodide>;

const never = new Promise<never>(() => undefined);

/** Python as it was when the snapshot was made. Rejects where that is not to be had; it only saves time. */
async function restore(loadPyodide: Load, options: object, { memory, files }: Snapshot): Promise<Pyodide> {
  const write = async (fs: FileSystem, { sitePackages }: { sitePackages: string }) => {
    // Pyodide goes on when this ends in any way, and must not with half a memory.
    for (const [path, bytes] of await files.catch(() => never)) {
      const whole = `${sitePackages}/${path}`;
      fs.mkdirTree(whole.slice(0, whole.lastIndexOf("/")));
      fs.writeFile(whole, bytes, { canOwn: true });
    }
  };
  return Promise.race([loadPyodide({ ...options, _loadSnapshot: memory, fsInit: write }), files.then(() => never)]);
}

export interface Started {
  pyodide: Pyodide;
  steps: Record<string, number>;
  /** Why the snapshot was not used; empty where it was. */
  without_snapshot: string;
  mark(step: string): void;
}

/** Python with py_edge importable. Throws EdgeError: what could not be had, or that Python did not start. */
export async function boot({ runtime, files, wheel, wheels, snapshot }: Boot, tellProgress: (progress: Progress) => void): Promise<Started> {
  // Pyodide leaves a promise of its own without a catch when a fetch of ours fails; the page has been told by then.
  self.addEventListener("unhandledrejection", (event) => {
    if ((event as PromiseRejectionEvent).reason instanceof EdgeError) event.preventDefault();
  });
  const begin = performance.now();
  const steps: Record<string, number> = {};
  const total = [...files, snapshot ?? wheel, ...wheels].reduce((sum, file) => sum + file.size, 0);
  let done = 0;
  let told = 0;
  const tell = (phase: Progress["phase"]) => tellProgress({ phase, done, total: Math.max(done, total) });
  const onbytes = (count: number) => {
    done += count;
    if (done - told < total / 200) return; // a message per chunk would cost more than it tells
    told = done;
    tell("runtime");
  };
  const mark = (step: string) => {
    steps[step] = Math.round(performance.now() - begin);
  };
  // First what everything else waits for; Pyodide would import its second script only when the first has run.
  const loader = import(/* @vite-ignore */ `${runtime}pyodide.mjs`) as Promise<{ loadPyodide: Load }>;
  import(/* @vite-ignore */ `${runtime}pyodide.asm.mjs`).catch(() => undefined);
  const { failed, restore: restoreFetch } = watchFetches(files, onbytes);
  const restoreModules = shareWrappers();
  const opened = openIfAny(snapshot, onbytes);
  opened.then(({ files }) => files).then(() => mark("snapshot"), () => undefined);
  const wheelBytes = Promise.all(wheels.map((wheel) => fetchBytes(wheel, { onbytes })));
  wheelBytes.catch(() => undefined);
  let pyodide: Pyodide;
  let without_snapshot = "";
  try {
    const { loadPyodide } = await loader;
    mark("loader");
    const options = {
      indexURL: runtime,
      packageBaseUrl: runtime,
      enableRunUntilComplete: false,
      env: { HOME: "/home/web" },
      stdout: (line: string) => console.log(line),
      stderr: (line: string) => console.warn(line),
    };
    const starting = opened.then((found) => restore(loadPyodide, options, found)).catch(async (error: unknown) => {
      without_snapshot = error instanceof EdgeError ? error.problem.message : String(error);
      const [started, bytes] = await Promise.all([loadPyodide(options), fetchBytes(wheel, { onbytes })]);
      started.unpackArchive(bytes, "wheel");
      return started;
    });
    pyodide = await Promise.race([starting, failed]);
  } catch (error) {
    throw error instanceof EdgeError ? error : new EdgeError({ code: "E_ENVIRONMENT", message: `Python did not start: ${String(error)}`, where: runtime });
  } finally {
    restoreFetch();
    restoreModules();
  }
  mark("python");
  tell("packages");
  for (const bytes of await wheelBytes) pyodide.unpackArchive(bytes, "wheel");
  mark("wheels");
  // Modules come by import, which tells no bytes; by now they are here.
  done = total;
  tell("warmup");
  return { pyodide, steps, without_snapshot, mark };
}

async function openIfAny(snapshot: Locked | null, onbytes: (count: number) => void): Promise<Snapshot> {
  if (!snapshot) throw new EdgeError({ code: "E_NOT_FOUND", message: "this bundle has none" });
  if (typeof DecompressionStream !== "function") throw new EdgeError({ code: "E_ENVIRONMENT", message: "this browser cannot unpack gzip" });
  return openSnapshot(snapshot, onbytes);
}
