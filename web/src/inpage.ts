// The page's line to a node in the tab: requests answered by the node worker instead of the network.
import { type Assets, bootFiles } from "./layout.ts";
import { EdgeError } from "./problem.ts";
import type { NodeReply, NodeRequest } from "./protocol.ts";
import { IN_PAGE, type InPageLine } from "./wire.ts";

interface Waiting {
  head(response: Response): void;
  fail(error: unknown): void;
  body: ReadableStreamDefaultController<Uint8Array>;
}

/** Start the node worker. Throws EdgeError when the bundle was made without it or Python does not start. */
export async function startNode(assets: Assets, base: string): Promise<InPageLine> {
  if (!assets.node?.length)
    throw new EdgeError({ code: "E_NOT_FOUND", message: "this bundle carries no node", where: 'origin="in-page"', remedy: "make it with py-edge bundle --tier node" });
  const worker = new Worker(new URL(`${assets.app}node.worker.js`, base), { type: "module", name: "py-edge node" });
  const waiting = new Map<number, Waiting>();
  const post = (message: NodeRequest) => worker.postMessage(message);
  await new Promise<void>((resolve, reject) => {
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      reject(new EdgeError({ code: "E_WORKER", message: `the node in this tab stopped: ${event.message}` }));
    });
    worker.addEventListener("message", ({ data }: MessageEvent<NodeReply>) => {
      if (data.kind === "started") return resolve();
      if (data.kind === "failed") return reject(new EdgeError(data.problem));
      receive(waiting, data);
    });
    post({ kind: "start", boot: bootFiles(assets, base, assets.node) });
  });
  let next = 1;
  const line: InPageLine = {
    async fetch(url, init) {
      const number = next++;
      const { pathname, search } = new URL(url);
      const request = new Request(IN_PAGE, { ...init, signal: null });
      const body = init.body ? new Uint8Array(await request.arrayBuffer()) : null;
      return new Promise<Response>((resolve, reject) => {
        const hangUp = () => {
          post({ kind: "hang_up", number });
          reject(new DOMException("stopped", "AbortError"));
        };
        init.signal?.addEventListener("abort", hangUp, { once: true });
        const stream = new ReadableStream<Uint8Array>({
          start: (controller) => {
            waiting.set(number, { body: controller, head: resolve as (response: Response) => void, fail: reject });
          },
          cancel: () => post({ kind: "hang_up", number }),
        });
        streams.set(number, stream);
        post({ kind: "request", number, method: init.method ?? "GET", path: pathname, query: search.slice(1), headers: [...request.headers], body });
      });
    },
  };
  return line;
}

const streams = new Map<number, ReadableStream<Uint8Array>>();

function receive(waiting: Map<number, Waiting>, data: Exclude<NodeReply, { kind: "started" | "failed" }>): void {
  const entry = waiting.get(data.number);
  if (!entry) return;
  if (data.kind === "head") {
    const empty = data.status === 204 || data.status === 304;
    entry.head(new Response(empty ? null : streams.get(data.number)!, { status: data.status, headers: data.headers }));
    streams.delete(data.number);
  } else if (data.kind === "body") entry.body.enqueue(data.bytes);
  else {
    waiting.delete(data.number);
    // Without effect where the head has come.
    entry.fail(new EdgeError({ code: "E_NETWORK", message: "the node in this tab broke off" }));
    try {
      entry.body.close();
    } catch {
      // It was cancelled by the page, which is an end too.
    }
  }
}
