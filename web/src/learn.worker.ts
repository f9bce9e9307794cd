// What the learn worker does: Pyodide with py_edge. It calls named Python functions with data as arguments, never source text.
import { boot, type Pyodide, type PyProxy } from "./boot.ts";
import { EdgeError } from "./problem.ts";
import type { LearnCalls } from "./protocol.ts";
import type { Handlers } from "./rpc.ts";

let pyodide: Pyodide | null = null;

function running(): Pyodide {
  if (!pyodide) throw new EdgeError({ code: "E_NOT_FOUND", message: "Python is not up yet", where: "learn worker" });
  return pyodide;
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

export const learnCalls: Handlers<LearnCalls> = {
  async start(args, { progress }) {
    const begin = performance.now();
    const started = await boot(args, progress);
    const host = started.pyodide.pyimport("py_edge.host.browser");
    started.mark("import");
    const report = toJs((host["start"] as PyProxy)()) as { python: string; py_edge: string };
    started.mark("kernels");
    pyodide = started.pyodide;
    return { ...report, ms: Math.round(performance.now() - begin), steps: started.steps, without_snapshot: started.without_snapshot };
  },
  async install({ packages }) {
    const quiet = { messageCallback: () => undefined, errorCallback: (line: string) => console.warn(line) };
    try {
      await running().loadPackage(packages, quiet);
    } catch (error) {
      const missing = /no known package/i.test(String(error));
      const remedy = missing ? "make the bundle with --tier sklearn" : "try again";
      throw new EdgeError({ code: missing ? "E_NOT_FOUND" : "E_NETWORK", message: `cannot be had: ${String(error)}`, where: "packages", got: packages.join(), remedy });
    }
  },
  call({ module, name, args }, { transfer }) {
    const python = running();
    if (!/^py_edge(\.[a-z][a-z0-9_]*)+$/.test(module) || !/^[a-z][a-z0-9_]*$/.test(name))
      throw new EdgeError({ code: "E_POLICY", message: "only functions of py_edge can be called", got: `${module}.${name}` });
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
};
