// The learn worker: Pyodide with py_edge. It calls named Python functions with data as arguments, never source text.
import { fetchBytes, requestFile } from "./fetching.ts";
import { EdgeError } from "./problem.ts";
import type { LearnCalls, Locked, Progress } from "./protocol.ts";
import { type Endpoint, serve } from "./rpc.ts";

interface PyProxy {
  (...args: unknown[]): unknown;
  [name: string]: unknown;
  toJs(options: object): unknown;
  destroy(): void;
}

interface Pyodide {
  version: string;
  FS: { analyzePath(path: string): { exists: boolean } };
  unpackArchive(buffer: ArrayBuffer | Uint8Array, format: string): void;
  pyimport(name: string): PyProxy;
  toPy(value: unknown): unknown;
}

let pyodide: Pyodide | null = null;

/** Count the bytes of the runtime's own fetches as they stream. `failed` rejects when one is refused, is a web page or has
 * another length: Pyodide itself would wait for ever. */
function watchFetches(files: readonly Locked[], onbytes: (count: number) => void): { failed: Promise<never>; restore(): void } {
  const wanted = new Map(files.map((file) => [file.url, file]));
  const original = self.fetch;
  let fail!: (error: unknown) => void;
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  failed.catch(() => undefined);
  self.fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : new URL(input, self.location.href).href;
    const file = wanted.get(url);
    if (!file) return original(input, init);
    try {
      const response = await requestFile(url, { fetch: original });
      let left = file.size;
      const counter = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          left -= chunk.length;
          onbytes(chunk.length);
          controller.enqueue(chunk);
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
  return { failed, restore: () => (self.fetch = original) };
}

/** The memory snapshot, fetched and unpacked; null where that is not to be had, for it only saves time. */
async function readSnapshot(file: Locked | null, onbytes: (count: number) => void): Promise<Uint8Array | null> {
  if (!file || typeof DecompressionStream !== "function") return null;
  try {
    const bytes = await fetchBytes(file, { onbytes });
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(plain).arrayBuffer());
  } catch {
    return null;
  }
}

function toJs(value: unknown): unknown {
  if (value === null || typeof value !== "function" && typeof value !== "object") return value;
  const proxy = value as PyProxy;
  if (typeof proxy.toJs !== "function") return value;
  const plain = proxy.toJs({ dict_converter: Object.fromEntries, create_pyproxies: false });
  proxy.destroy();
  return plain;
}

function buffers(value: unknown, found: Set<Transferable> = new Set()): Set<Transferable> {
  if (ArrayBuffer.isView(value)) found.add(value.buffer as ArrayBuffer);
  else if (value && typeof value === "object") for (const entry of Object.values(value)) buffers(entry, found);
  return found;
}

// Pyodide leaves a promise of its own without a catch when a fetch of ours fails; the page has been told by then.
self.addEventListener("unhandledrejection", (event) => {
  if ((event as PromiseRejectionEvent).reason instanceof EdgeError) event.preventDefault();
});

serve<LearnCalls>(self as unknown as Endpoint, {
  async start({ runtime, files, wheel, snapshot }, { progress }) {
    const begin = performance.now();
    const steps: Record<string, number> = {};
    const total = [...files, wheel, ...(snapshot ? [snapshot] : [])].reduce((sum, file) => sum + file.size, 0);
    let done = 0;
    const tell = (phase: Progress["phase"]) => progress({ phase, done, total: Math.max(done, total) });
    const onbytes = (count: number) => {
      done += count;
      tell("runtime");
    };
    const mark = (step: string) => (steps[step] = Math.round(performance.now() - begin));
    const wheelBytes = fetchBytes(wheel, { onbytes });
    wheelBytes.catch(() => undefined);
    const snapshotBytes = readSnapshot(snapshot, onbytes);
    const { failed, restore } = watchFetches(files, onbytes);
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
      const memory = await snapshotBytes;
      mark("snapshot");
      const boot = memory ? loadPyodide({ ...options, _loadSnapshot: memory }).catch(() => loadPyodide(options)) : loadPyodide(options);
      pyodide = await Promise.race([boot, failed]);
    } catch (error) {
      throw error instanceof EdgeError ? error : new EdgeError({ code: "E_ENVIRONMENT", message: `Python did not start: ${String(error)}`, where: runtime });
    } finally {
      restore();
    }
    mark("python");
    tell("packages");
    pyodide.unpackArchive(await wheelBytes, "wheel");
    mark("wheel");
    const host = pyodide.pyimport("py_edge.host.browser");
    mark("import");
    const started = toJs((host["start"] as PyProxy)()) as { python: string; py_edge: string };
    mark("kernels");
    // Modules come by import, which tells no bytes; by now they are here.
    done = total;
    tell("warmup");
    return { ...started, ms: Math.round(performance.now() - begin), steps };
  },
  call({ module, name, args }, { transfer }) {
    if (!pyodide) throw new EdgeError({ code: "E_NOT_FOUND", message: "Python is not up yet", where: "learn worker" });
    if (!/^py_edge(\.[a-z][a-z0-9_]*)+$/.test(module) || !/^[a-z][a-z0-9_]*$/.test(name))
      throw new EdgeError({ code: "E_POLICY", message: "only functions of py_edge can be called", got: `${module}.${name}` });
    const python = pyodide;
    const entry = python.pyimport(module);
    const given = args.map((arg) => python.toPy(arg));
    try {
      const answer = toJs((entry[name] as PyProxy)(...given)) as { problem?: never; value?: unknown };
      if (answer && typeof answer === "object" && answer.problem) throw new EdgeError(answer.problem);
      for (const buffer of buffers(answer)) transfer.push(buffer);
      return answer?.value;
    } finally {
      for (const arg of given) (arg as Partial<PyProxy> | null)?.destroy?.();
      entry.destroy();
    }
  },
});
