// The line to the node: questions out of the outbox until accepted, answers in by SSE (poll where SSE does not get
// through), acknowledged only after they are kept. One tab of many does this; the lock passes on when it closes.
import { EdgeError, toProblem } from "./problem.ts";
import type { Answer, Problem, Question, Receipt, Release, State, Token } from "./protocol.ts";
import type { QuestionRow, Store } from "./store.ts";
import type { FetchStream } from "./stream.ts";
import { bearing, callNode, IN_PAGE, openStream } from "./wire.ts";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 300_000;
const POLL_MS = 3_000;
const RETRY_STREAM_MS = 30_000;
const FORGOTTEN_MS = 3_600_000;
/** What a node says no to now, and yes to later: without the right token, in a hurry, too slowly. */
const LATER = new Set([401, 408, 429]);

interface Outcome {
  device: string;
  sequence: number;
  state: State;
}

export interface UplinkEvents {
  accepted(row: QuestionRow, receipt: Receipt): void;
  /** Keep the answer; only when this resolves is it acknowledged. */
  answered(answer: Answer): Promise<void>;
  /** No answer will come: expired, cancelled or failed. */
  ended(outcome: Outcome): Promise<void>;
  released(release: Release): void;
  refused(row: QuestionRow, problem: Problem): void;
  /** The node wants a token, or another one; nothing is lost meanwhile. */
  denied(problem: Problem): void;
  online(online: boolean): void;
}

export class Uplink {
  readonly #base: string;
  readonly #device: string;
  readonly #store: Store;
  readonly #tell: UplinkEvents;
  readonly #token: Token;
  readonly #stop = new AbortController();
  #streams: (EventSource | FetchStream)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #draining: Promise<void> | null = null;
  #again = false;
  #polling = false;
  #denied = false;
  readonly #acks: number[] = [];
  #ackTimer: ReturnType<typeof setTimeout> | undefined;

  /** base: the node's `…/v1/`. */
  constructor(base: string, device: string, store: Store, tell: UplinkEvents, token?: Token) {
    this.#base = base;
    this.#device = device;
    this.#store = store;
    this.#tell = tell;
    this.#token = token;
  }

  async #call<T>(path: string, method = "GET", body?: unknown): Promise<T> {
    const headers = { ...(body ? { "content-type": "application/json" } : {}), ...(await bearing(this.#token)) };
    return callNode<T>(this.#base + path, { method, headers, body: body ? JSON.stringify(body) : null });
  }

  start(): void {
    addEventListener("online", () => this.hurry(), { signal: this.#stop.signal });
    this.#resendForgotten().finally(() => {
      this.#listen();
      this.drain();
    }).catch(() => undefined);
  }

  /**
   * What a node took long ago and has not answered is asked again, in case it lost its disk: the same ids, harmless.
   * A node in the tab forgets whenever the tab closes.
   */
  async #resendForgotten(): Promise<void> {
    const before = Date.now() - (this.#base.startsWith(IN_PAGE) ? 0 : FORGOTTEN_MS);
    await this.#store.write(async (tables) => {
      for (const row of await tables.all("questions"))
        if (row.state === "sent" && (row.sent_ms ?? 0) <= before) await tables.put("questions", row.sequence, { ...row, state: "asked", next_ms: 0 });
    });
  }

  close(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    for (const stream of this.#streams) stream.close();
  }

  /** The network is back, so nobody waits for a back-off to end. */
  hurry(): void {
    const due = this.#store.write(async (tables) => {
      for (const row of await tables.all("questions")) if (row.state === "asked") await tables.put("questions", row.sequence, { ...row, next_ms: 0 });
    });
    due.finally(() => this.drain()).catch(() => undefined); // as in drain, a store that fails tells elsewhere
  }

  /** Send what is due; a call while sending makes one more round. */
  drain(): void {
    if (this.#draining) {
      this.#again = true;
      return;
    }
    // A store that fails here fails the page's own calls too, which tell; the next drain tries again.
    this.#draining = this.#drainOnce().catch(() => undefined).finally(() => {
      this.#draining = null;
      if (this.#again && !this.#stop.signal.aborted) {
        this.#again = false;
        this.drain();
      }
    });
  }

  async #drainOnce(): Promise<void> {
    clearTimeout(this.#timer);
    const rows = (await this.#store.read((tables) => tables.all("questions"))).filter((row) => row.state === "asked");
    let soonest = Infinity;
    for (const row of rows) {
      if (this.#stop.signal.aborted) return;
      if (row.next_ms <= Date.now()) soonest = Math.min(soonest, await this.#send(row));
      else soonest = Math.min(soonest, row.next_ms);
    }
    if (soonest < Infinity) this.#timer = setTimeout(() => this.drain(), Math.max(0, soonest - Date.now()));
  }

  /** Send one question; gives the time of the next try, Infinity if there is none. */
  async #send(row: QuestionRow): Promise<number> {
    const { question } = row;
    try {
      const receipt = await this.#call<Receipt>(`questions/${question.device}/${question.sequence}`, "PUT", question satisfies Question);
      const sent = await this.#change(row, (now) => (now.state === "asked" ? { ...now, state: "sent", sent_ms: Date.now() } : now));
      this.#heard();
      this.#tell.accepted(sent, receipt);
      if (receipt.answer) await this.#take(receipt.answer, receipt.event);
      return Infinity;
    } catch (error) {
      return this.#failed(row, error);
    }
  }

  async #failed(row: QuestionRow, error: unknown): Promise<number> {
    const problem = toProblem(error);
    const status = error instanceof EdgeError ? Number(problem.got) : NaN;
    if (status >= 400 && status < 500 && !LATER.has(status)) {
      this.#tell.refused(await this.#change(row, (now) => ({ ...now, state: "dead", problem })), problem);
      return Infinity;
    }
    this.#unheard(error);
    const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** row.attempts);
    const next_ms = Date.now() + most * (0.5 + Math.random() / 2);
    await this.#change(row, (now) => ({ ...now, attempts: now.attempts + 1, next_ms, problem }));
    return next_ms;
  }

  #unheard(error: unknown): void {
    const problem = toProblem(error);
    this.#denied = problem.got === 401;
    if (this.#denied) this.#tell.denied(problem);
    else this.#tell.online(false);
  }

  /** The node took a call; after one that it did not take nobody waits for a back-off to end. */
  #heard(): void {
    if (this.#denied) this.hurry();
    this.#denied = false;
    this.#tell.online(true);
  }

  #change(row: QuestionRow, change: (row: QuestionRow) => QuestionRow): Promise<QuestionRow> {
    return this.#store.write(async (tables) => {
      const now = await tables.get("questions", row.sequence);
      if (!now) return row; // wiped meanwhile
      const next = change(now);
      await tables.put("questions", row.sequence, next);
      return next;
    });
  }

  /** Always from the beginning: the node leaves out what was acknowledged, and nothing else may be skipped. */
  #listen(): void {
    const open = (path: string, takers: Record<string, (data: string, id: string) => void>): void => {
      openStream(this.#base + path, this.#token).then((stream) => follow(stream, path, takers)).catch(() => undefined); // the edge tells why no node starts in the tab
    };
    const follow = (stream: EventSource | FetchStream, path: string, takers: Record<string, (data: string, id: string) => void>): void => {
      if (this.#stop.signal.aborted) return stream.close();
      this.#streams.push(stream);
      stream.addEventListener("open", () => {
        this.#tell.online(true);
        this.hurry();
      });
      for (const [name, take] of Object.entries(takers))
        stream.addEventListener(name, (event) => take((event as MessageEvent<string>).data, (event as MessageEvent).lastEventId));
      stream.addEventListener("error", () => {
        if (!this.#denied) this.#tell.online(false); // why, a call was told
        this.#poll().catch(() => this.#tell.online(false));
        if (stream.readyState !== EventSource.CLOSED) return;
        this.#streams = this.#streams.filter((other) => other !== stream);
        setTimeout(() => this.#stop.signal.aborted || open(path, takers), RETRY_STREAM_MS * (0.5 + Math.random()));
      });
    };
    const taken = (work: Promise<void>): void => {
      work.catch(() => undefined); // not acknowledged, so it comes again
    };
    open(`answers/stream?device=${this.#device}&after=0`, {
      answer: (data, id) => taken(this.#take(JSON.parse(data) as Answer, Number(id))),
      outcome: (data, id) => taken(this.#end(JSON.parse(data) as Outcome, Number(id))),
    });
    open("models/stream", { release: (data) => this.#tell.released(JSON.parse(data) as Release) });
  }

  /** Ask for answers while no stream is open. */
  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    while (!this.#stop.signal.aborted && !this.#streams.some((stream) => stream.readyState === EventSource.OPEN)) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      try {
        const { answers } = await this.#call<{ answers: { event: number; answer: Answer | null; outcome?: Outcome | null }[] }>(`answers?device=${this.#device}&after=0&limit=100`);
        this.#heard();
        for (const { event, answer, outcome } of answers) {
          if (answer) await this.#take(answer, event);
          else if (outcome) await this.#end(outcome, event);
        }
      } catch (error) {
        this.#unheard(error);
      }
    }
    this.#polling = false;
  }

  /** Keep, then acknowledge. An answer that could not be kept is not acknowledged and comes again. */
  async #take(answer: Answer, event: number | null): Promise<void> {
    await this.#tell.answered(answer);
    this.#owe(event);
  }

  async #end(outcome: Outcome, event: number): Promise<void> {
    await this.#tell.ended(outcome);
    this.#owe(event);
  }

  #owe(event: number | null): void {
    if (event === null || !Number.isFinite(event)) return;
    this.#acks.push(event);
    this.#ackTimer ??= setTimeout(() => this.#acknowledge(), 20);
  }

  async #acknowledge(): Promise<void> {
    this.#ackTimer = undefined;
    const events = this.#acks.splice(0);
    try {
      await this.#call("answers/ack", "POST", { device: this.#device, events });
    } catch {
      // The node pushes them again, and taking an answer twice is harmless.
    }
  }
}
