// The node worker: the same Starlette app as on a server, inside Pyodide, so that a static page has device, site and
// person without any server.
import { boot, type PyProxy } from "./boot.ts";
import { toProblem } from "./problem.ts";
import type { NodeReply, NodeRequest } from "./protocol.ts";

interface InPage extends PyProxy {
  handle(number: number, method: string, path: string, query: string, headers: unknown, body: unknown, send: unknown): Promise<void>;
  hang_up(number: number): void;
}

let node: InPage | null = null;
let toPy: (value: unknown) => unknown = (value) => value;

const post = (reply: NodeReply, transfer: Transferable[] = []) => (self as unknown as Worker).postMessage(reply, transfer);

function plain<T>(value: unknown): T {
  const proxy = value as Partial<PyProxy>;
  if (typeof proxy?.toJs !== "function") return value as T;
  const found = proxy.toJs({ create_pyproxies: false }) as T;
  proxy.destroy?.();
  return found;
}

function send(number: number, kind: "head" | "body" | "end", value: unknown, extra: unknown): void {
  if (kind === "head") post({ kind, number, status: Number(value), headers: plain<[string, string][]>(extra) });
  else if (kind === "body") {
    const bytes = plain<Uint8Array<ArrayBuffer>>(value).slice();
    post({ kind, number, bytes }, [bytes.buffer]);
  } else post({ kind, number });
}

self.addEventListener("message", (event) => {
  take((event as MessageEvent<NodeRequest>).data).catch((error: unknown) => console.warn(String(error)));
});

async function take(message: NodeRequest): Promise<void> {
  if (message.kind === "start") {
    try {
      const { pyodide } = await boot(message.boot, () => undefined);
      toPy = (value) => pyodide.toPy(value);
      node = (await (pyodide.pyimport("py_edge.node.inpage")["start"] as PyProxy)()) as InPage;
      post({ kind: "started" });
    } catch (error) {
      post({ kind: "failed", problem: toProblem(error) });
    }
  } else if (message.kind === "hang_up") node?.hang_up(message.number);
  else {
    const { number, method, path, query, headers, body } = message;
    await node!.handle(number, method, path, query, toPy(headers), body ? toPy(body) : undefined, send).catch((error: unknown) => {
      console.warn(String(error));
      post({ kind: "end", number });
    });
  }
}
