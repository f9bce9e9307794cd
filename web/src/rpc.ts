// Calls between page and worker: typed by the tables in protocol.ts, every call with a timeout and an abort signal.
import { EdgeError, toProblem } from "./problem.ts";
import type { Progress, Reply, Request } from "./protocol.ts";

/** What a Worker, a MessagePort and a worker's own scope share. */
export interface Endpoint {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  addEventListener(type: string, listener: (event: never) => void): void;
}

type Table = { [call: string]: (args: never) => unknown };
export type Handlers<T> = { [C in keyof T]: T[C] extends (args: infer A) => infer R ? (args: A, context: Context) => R | Promise<R> : never };

export interface Context {
  progress(progress: Progress): void;
  transfer: Transferable[];
}

export interface CallOptions {
  timeout_ms?: number;
  signal?: AbortSignal | undefined;
  onprogress?: ((progress: Progress) => void) | undefined;
  transfer?: Transferable[];
}

/** Answer calls on this endpoint, one after the other: a plan may be swapped between two runs, never inside one. */
export function serve<T>(endpoint: Endpoint, handlers: Handlers<T>): void {
  let last: Promise<unknown> = Promise.resolve();
  endpoint.addEventListener("message", (event: MessageEvent<Request>) => {
    const { id, call, args } = event.data;
    last = last.then(async () => {
      const transfer: Transferable[] = [];
      try {
        const handler = (handlers as Record<string, ((args: unknown, context: Context) => unknown) | undefined>)[call];
        if (!handler) throw new EdgeError({ code: "E_NOT_FOUND", message: `no such call: ${call}` });
        const value = await handler(args, { transfer, progress: (progress) => endpoint.postMessage({ id, progress }) });
        endpoint.postMessage({ id, value } satisfies Reply, transfer);
      } catch (error) {
        endpoint.postMessage({ id, problem: toProblem(error) } satisfies Reply);
      }
    });
  });
}

/** The calling side of one worker. A worker that dies fails every open call and is told to `onlost`. */
export class Remote<T extends object> {
  readonly #worker: Worker;
  readonly #open = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void; onprogress: CallOptions["onprogress"] }>();
  readonly #name: string;
  #next = 1;
  #lost: EdgeError | null = null;
  onlost: ((problem: EdgeError) => void) | null = null;

  constructor(worker: Worker, name: string) {
    this.#worker = worker;
    this.#name = name;
    worker.addEventListener("message", (event: MessageEvent<Reply>) => this.#settle(event.data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#lose(event.message || "it could not be loaded from the folder of py-edge.js; leave the bundle as it was made");
    });
    worker.addEventListener("messageerror", () => this.#lose("a message could not be read"));
  }

  call<C extends keyof T & string>(
    call: C,
    args: T[C] extends (args: infer A) => unknown ? A : never,
    options: CallOptions = {},
  ): Promise<T[C] extends (args: never) => infer R ? Awaited<R> : never> {
    if (this.#lost) return Promise.reject(this.#lost);
    const id = this.#next++;
    const { timeout_ms = 30_000, signal, onprogress, transfer = [] } = options;
    return new Promise<never>((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(id, new EdgeError({ code: "E_TIMEOUT", message: `the ${this.#name} did not answer in ${timeout_ms} ms`, where: call })), timeout_ms);
      const stop = () => this.#fail(id, new EdgeError({ code: "E_ABORTED", message: "stopped", where: call }));
      signal?.addEventListener("abort", stop, { once: true });
      const done = <V>(settle: (value: V) => void) => (value: V) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", stop);
        settle(value);
      };
      this.#open.set(id, { resolve: done(resolve as (value: unknown) => void), reject: done(reject), onprogress });
      try {
        this.#worker.postMessage({ id, call, args } satisfies Request, transfer);
      } catch (error) {
        this.#fail(id, new EdgeError({ code: "E_VALUE", message: String(error), where: call, remedy: "give a Float32Array; fromPixels makes one" }));
      }
    });
  }

  close(): void {
    this.#worker.terminate();
    this.#lose("it was closed", false);
  }

  #settle(reply: Reply): void {
    const entry = this.#open.get(reply.id);
    if (!entry) return;
    if ("progress" in reply) return entry.onprogress?.(reply.progress);
    this.#open.delete(reply.id);
    if ("problem" in reply) entry.reject(new EdgeError(reply.problem));
    else entry.resolve(reply.value);
  }

  #fail(id: number, error: EdgeError): void {
    this.#open.get(id)?.reject(error);
    this.#open.delete(id);
  }

  #lose(reason: string, tell = true): void {
    const error = (this.#lost ??= new EdgeError({ code: "E_WORKER", message: `the ${this.#name} stopped: ${reason}` }));
    for (const id of [...this.#open.keys()]) this.#fail(id, error);
    if (tell) this.onlost?.(error);
  }
}

export type { Table };
