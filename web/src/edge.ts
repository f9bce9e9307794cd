// One model in this page: predicts, asks, takes answers home, learns, follows releases. The element is a thin skin of it.
import { Learner, type Wish } from "./learner.ts";
import { PYTHON_BYTES, startPredictor, type Python } from "./runtime.ts";
import { EdgeError, toProblem } from "./problem.ts";
import type {
  Answer, Certified, Events, ModelInfo, Policy, Prediction, PredictCalls, Problem, Progress, Question, Release, Sent, StartReport, State, Token, Trained,
} from "./protocol.ts";
import { ASSETS, BASE } from "./assets.ts";
import { type Assets, executorsAt } from "./layout.ts";
import type { Remote } from "./rpc.ts";
import { fence, nextEpoch } from "./lead.ts";
import { didNotFit, keepRelease, makeSource, PLAN_FILE, type Source } from "./source.ts";
import { deviceId, openStore, type QuestionRow, releaseOf, type Store, type Tuned } from "./store.ts";
import type { Uplink } from "./uplink.ts";
import { decodeTensor, IN_PAGE, inPageLine, type InPageLine, makeQuestion, payloadOf } from "./wire.ts";

export interface EdgeOptions {
  src?: string;
  origin?: string | null;
  model?: string;
  /** Overrides the released threshold: below it the device asks. */
  threshold?: number;
  /** "auto": fine-tune by itself after `learnEvery` new answers; "manual": only when told; "off": Python never starts. */
  learn?: "auto" | "manual" | "off";
  learnEvery?: number;
  /** Share of all inputs, drawn at random, that are asked as audits even when the device is sure. */
  audit?: number;
  /** Threads of a prediction, at most, where the page is cross-origin isolated; by default two, where there are four cores. */
  threads?: number | undefined;
  /** What of an input may leave the page with a question; null or nothing: all of it. The device learns from the whole input. */
  send?: ((input: Float32Array) => Sent | null | undefined | Promise<Sent | null | undefined>) | undefined;
  /** The node's token, or what gives the present one. It goes to `origin` alone and is kept in memory only. */
  token?: Token;
  signal?: AbortSignal;
  onprogress?: (progress: Progress) => void;
}

type Name = keyof Events;
const RETRY_MS = 3_000;

/** Load the module of the node in the tab, which most pages never need. */
async function startInPage(): Promise<InPageLine> {
  const { startNode } = (await import(new URL(`${ASSETS.app}inpage.js`, BASE).href)) as { startNode(assets: Assets, base: string): Promise<InPageLine> };
  return startNode(ASSETS, BASE);
}

export class Edge extends EventTarget {
  readonly source: Source;
  readonly options: EdgeOptions;
  device = "";
  release: Release | null = null;
  info: ModelInfo | null = null;
  tuned = false;
  python: StartReport | null = null;
  #store!: Store;
  #predictor!: Remote<PredictCalls>;
  #uplink: Uplink | null = null;
  #learner!: Learner;
  #channel: BroadcastChannel | null = null;
  #release: (() => void) | null = null;
  #online = false;
  #denied = false;
  #closed = false;
  #sequence = 0;
  /** Bytes done and in all of the two parts of a start; both totals stand before the first byte is fetched. */
  readonly #bytes = { model: [0, 0], python: [0, 0] };

  /** The token as it is now: a page may bring another one at any time. */
  readonly #token = () => {
    const { token } = this.options;
    return typeof token === "function" ? token() : token;
  };

  private constructor(options: EdgeOptions) {
    super();
    this.options = options;
    this.source = makeSource(options.src ?? "", options.origin ?? null, options.model ?? "", this.#token);
  }

  /** Resolves when the predict worker can answer. Throws EdgeError with the code of what is wrong. */
  static async load(options: EdgeOptions, listen?: (edge: Edge) => void): Promise<Edge> {
    const edge = new Edge(options);
    listen?.(edge);
    const begin = performance.now();
    edge.#store = await openStore(`py-edge:${edge.source.place}:${edge.source.name}`);
    if (!edge.#store.durable) edge.#emit("error", { code: "E_STORAGE", message: "this browser keeps nothing for this page; questions and learning last until the tab closes" });
    edge.#learner = new Learner(edge, edge.#store, {
      emit: (name, detail) => edge.#emit(name, detail),
      progress: (phase, done, total) => edge.#progress("python", phase, done, total),
      swap: (plan, own) => edge.#swap(plan, own),
      kept: () => edge.#post("tuned"),
    });
    edge.#startPredictor();
    if (options.learn !== "off") edge.#bytes.python[1] = PYTHON_BYTES;
    options.signal?.addEventListener("abort", () => edge.close());
    try {
      edge.device = await edge.#store.write(deviceId);
      await edge.#loadFirst();
      options.signal?.throwIfAborted();
    } catch (error) {
      edge.close();
      throw new EdgeError(toProblem(options.signal?.aborted ? options.signal.reason : error));
    }
    edge.#emit("ready", { stage: "predict", ms: performance.now() - begin });
    edge.#join();
    if (options.learn !== "off") Promise.all([edge.learner(), edge.resume()]).catch(edge.#failed);
    return edge;
  }

  // ---- answering ----

  async predict(input: Float32Array): Promise<Prediction> {
    const prediction = await this.#predict(input);
    this.#emit("prediction", { ...prediction, sequence: null });
    return prediction;
  }

  predictMany(inputs: Float32Array, count: number): Promise<{ labels: number[]; confidences: number[] }> {
    return this.#predictor.call("predictMany", { inputs, count });
  }

  /** Predict, and ask when unsure. */
  async predictOrAsk(input: Float32Array, extra: Partial<Question> = {}): Promise<{ prediction: Prediction; sequence: number | null }> {
    const prediction = await this.#predict(input);
    const audit = extra.audit ?? Math.random() < (this.options.audit ?? 0);
    // What keeps a question from being asked was told by ask; the prediction stands.
    const asked = prediction.defer || audit ? await this.ask(input, prediction, { ...extra, audit }).catch(() => null) : null;
    const sequence = asked?.sequence ?? null;
    this.#emit("prediction", { ...prediction, sequence });
    return { prediction, sequence };
  }

  /** Keep a question durably, then send it up. Resolves once it is kept, not once it is answered. */
  async ask(input: Float32Array, prediction?: Prediction, extra: Partial<Question> = {}): Promise<{ device: string; sequence: number }> {
    const found = prediction ?? (await this.#predict(input));
    this.#sequence = await this.#keep(input, found, extra).catch((error: unknown) => this.#fail(error));
    this.#post("asked");
    this.#uplink?.drain();
    return { device: this.device, sequence: this.#sequence };
  }

  async #keep(input: Float32Array, prediction: Prediction, extra: Partial<Question>): Promise<number> {
    const { input_shape, labels } = this.info!;
    const sent = await this.options.send?.(input);
    const made = await makeQuestion(this.source.name, payloadOf(input, input_shape, sent), prediction, labels, extra);
    return this.#store.write(async (tables) => {
      // Storage wiped while the page is open must not give an old id to a new question.
      const next = Math.max(((await tables.get("pointers", "sequence")) as number | undefined) ?? 0, this.#sequence) + 1;
      await tables.put("pointers", "sequence", next);
      await tables.put("pointers", "device", this.device);
      const question: Question = { ...made, device: this.device, sequence: next };
      const row: QuestionRow = { sequence: next, question, ...(sent && { whole: input }), state: "asked", attempts: 0, next_ms: 0, sent_ms: null, answered_ms: null, answer: null, problem: null };
      await tables.put("questions", next, row);
      return next;
    });
  }

  async #predict(input: Float32Array): Promise<Prediction> {
    const worker = this.#predictor;
    try {
      const { prediction, info } = await worker.call("predict", { input, policy: this.#policy() });
      if (info && worker === this.#predictor) this.info = info;
      return prediction;
    } catch (error) {
      // A worker that the browser ended says nothing; no answer in time is how that shows.
      if (error instanceof EdgeError && error.code === "E_TIMEOUT" && worker === this.#predictor) {
        worker.close();
        worker.onlost?.(error);
      }
      throw error;
    }
  }

  /** Tell the page, then throw. */
  #fail(error: unknown): never {
    const problem = toProblem(error);
    this.#emit("error", problem);
    throw new EdgeError(problem);
  }

  #progress(part: "model" | "python", phase: Progress["phase"], done: number, total: number): void {
    this.#bytes[part] = [done, total];
    const { model, python } = this.#bytes;
    this.#emit("progress", { phase, done: model[0]! + python[0]!, total: model[1]! + python[1]! });
  }

  /** Counts of the outbox, of what waits for an answer, of what came home and of what was refused. */
  async counts(): Promise<{ outbox: number; waiting: number; answered: number; dead: number }> {
    const rows = await this.questions();
    const of = (state: QuestionRow["state"]) => rows.filter((row) => row.state === state).length;
    return { outbox: of("asked"), waiting: of("sent"), answered: of("answered"), dead: of("dead") };
  }

  questions(): Promise<QuestionRow[]> {
    return this.#store.read((tables) => tables.all("questions"));
  }

  // ---- learning ----

  /** Python in its worker with this model loaded; starts it on the first call. */
  learner(): Promise<Python> {
    return this.#learner.ready();
  }

  /** Fine-tune on what came home, and on these inputs (with their label indices) first if any are given; swaps the new
   * plan in between two predictions. They go on from the old weights until then, and for good when the signal stops it. */
  learn(inputs: Float32Array[] | Wish = [], labels: number[] = [], options: Wish = {}): Promise<Trained> {
    return this.#learner.learn(inputs, labels, options);
  }

  /** Go on with the fine-tune during which this tab, or another one, died. */
  resume(): Promise<Trained | null> {
    return this.#learner.resume();
  }

  /** Add an example of the page's own, as if an answer had come home. */
  teach(input: Float32Array, label_index: number, weight = 1): Promise<void> {
    return this.#learner.teach(input, label_index, weight);
  }

  /** The model as it answers now, what was learnt included, as TensorFlow.js files by path. */
  save(): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
    return this.#learner.save();
  }

  /** What was learnt against the release, small enough to send. levels: steps on either side of zero, 1 to 127. */
  delta(levels?: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#learner.delta(levels);
  }

  /** Certify anew with the audits that came home, without training. */
  certify(): Promise<Certified> {
    return this.#learner.certify();
  }

  // ---- models ----

  async #loadFirst(): Promise<void> {
    const kept = await this.#store.read(releaseOf);
    let release: Release;
    try {
      release = await this.source.current(this.options.signal);
    } catch (error) {
      if (!kept) throw error;
      release = kept;
    }
    if (kept && kept.version > release.version && kept.name === release.name && this.source.api) release = kept;
    if (kept && kept.digest !== release.digest && (await didNotFit(this.#store, release))) {
      this.#noRoom(release);
      release = kept;
    }
    try {
      await this.#use(release);
    } catch (error) {
      if (!kept || kept.digest === release.digest) throw error;
      this.#emit("error", toProblem(error));
      await this.#use(kept);
    }
  }

  /** Make this release the one that answers: its own plan, or what was learnt on top of it. */
  async #use(release: Release): Promise<void> {
    const tuned = (await this.#store.read((tables) => tables.get("pointers", "tuned"))) as Tuned | undefined;
    const own: Partial<Tuned> = tuned?.base_digest === release.digest ? tuned : {};
    const size = release.files.find((file) => file.path === PLAN_FILE)?.size ?? 0;
    const before = this.release;
    this.release = release;
    try {
      if (own.plan || size) {
        let done = 0;
        const total = size + executorsAt(ASSETS, BASE).simd128.size;
        const onbytes = (count: number) => this.#progress("model", "model", (done += count), total);
        onbytes(0);
        await this.#swap(own.plan ?? (await this.#learner.plan(onbytes)), own);
        onbytes(total - done);
        this.tuned = Boolean(own.plan);
      } else {
        this.info = null;
        await this.#learner.load();
      }
    } catch (error) {
      this.release = before;
      throw error;
    }
    if (!(await keepRelease(this.#store, release))) this.#noRoom(release);
    if (before && before.digest !== release.digest) this.#emit("released", { name: release.name, version: release.version, digest: release.digest });
  }

  #noRoom(release: Release): void {
    this.#emit("error", { code: "E_STORAGE", message: "the browser has no room for this release; the one before is kept", where: `${release.name} ${release.version}` });
  }

  async #offered(release: Release): Promise<void> {
    if (release.name !== this.source.name || release.digest === this.release?.digest) return;
    if (this.release && (release.version <= this.release.version || (await didNotFit(this.#store, release)))) return;
    const take = async () => {
      await this.#use(release);
      this.#post("released");
    };
    await this.#learner.after(take).catch(this.#failed);
    if (this.python) await this.#learner.learnIfDue(true);
  }

  async #swap(plan: Uint8Array<ArrayBuffer>, own: Partial<Tuned>): Promise<void> {
    const { labels, temperature, threshold } = this.release!.metadata;
    const policy: Policy = { version: this.release!.version };
    if (labels) policy.labels = labels;
    const t = own.temperature ?? temperature;
    const limit = own.threshold ?? threshold;
    if (t !== undefined) policy.temperature = t;
    if (limit !== undefined) policy.threshold = limit;
    this.info = await this.#predictor.call("load", { plan: plan.slice().buffer, executors: executorsAt(ASSETS, BASE), policy, threads: this.options.threads });
  }

  #policy(): Policy {
    return this.options.threshold === undefined ? {} : { threshold: this.options.threshold };
  }

  #startPredictor(): void {
    this.#predictor = startPredictor();
    this.#predictor.onlost = (error) => {
      this.#emit("error", error.problem);
      if (this.#closed || !this.release || error.message.includes("could not be loaded")) return;
      this.#startPredictor();
      void this.#use(this.release).catch(this.#failed);
    };
  }

  // ---- answers coming home ----

  /** One tab sends and listens for all; the others hear from it. */
  #join(): void {
    if (!this.source.api) return;
    if (this.source.api.startsWith(IN_PAGE)) inPageLine(startInPage).catch(this.#failed);
    const name = `py-edge:${this.source.api}:${this.source.name}`;
    const { durable } = this.#store; // else what is kept is this tab's alone, and a browser that denies storage denies locks too
    const locks = durable ? navigator.locks : null;
    if (durable && typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(name);
      this.#channel.addEventListener("message", (event: MessageEvent<{ kind: string; detail?: unknown }>) => {
        this.#heard(event.data).catch(this.#failed);
      });
    }
    const line = this.#loadLine();
    line.catch(() => undefined); // only once closed
    let turn = 0; // of standing for the lead; what an earlier one has begun no longer counts
    const lead = async (mine: number) => {
      const store = fence(this.#store, await nextEpoch(this.#store), () => stepDown(mine));
      if (this.#closed || mine !== turn) return;
      const { Uplink } = await line;
      if (this.#closed || mine !== turn) return;
      this.#uplink = new Uplink(this.source.api, this.device, store, {
        accepted: (row, receipt) => this.#emit("escalated", { device: this.device, sequence: row.sequence, state: receipt.state, place: String(receipt.place ?? ""), estimate_s: receipt.estimate_s }),
        answered: (answer) => this.#answered(answer, store),
        ended: ({ sequence, state }) => this.#ended(sequence, state, store),
        released: (release) => {
          this.#offered(release).catch(this.#failed);
        },
        refused: (_row, problem) => this.#emit("error", problem),
        denied: (problem) => {
          this.#setOnline(false, problem).catch(this.#failed);
        },
        online: (online) => {
          this.#setOnline(online).catch(this.#failed);
        },
      }, this.#token);
      this.#uplink.start();
    };
    const stand = () => {
      const mine = ++turn;
      const led = locks!.request(name, async () => {
        if (this.#closed) return;
        const released = new Promise<void>((resolve) => (this.#release = resolve));
        await lead(mine);
        await released;
      });
      led.catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "AbortError") stepDown(mine); // another tab took the lock away
        else this.#failed(error);
      });
    };
    const stepDown = (mine: number) => {
      if (mine !== turn) return;
      this.#uplink?.close();
      this.#uplink = null;
      this.#release?.();
      if (locks && !this.#closed) stand();
    };
    if (locks) stand();
    else lead(turn).catch(this.#failed);
  }

  /** The module of the line to the node, which a page that asks nobody does not need. */
  async #loadLine(): Promise<typeof import("./uplink.ts")> {
    for (;;)
      try {
        return (await import(new URL(`${ASSETS.app}uplink.js`, BASE).href)) as typeof import("./uplink.ts");
      } catch (error) {
        if (this.#closed) throw error;
        this.#setOnline(false).catch(this.#failed);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
  }

  async #heard({ kind, detail }: { kind: string; detail?: unknown }): Promise<void> {
    if (kind === "asked") this.#uplink?.drain();
    if (kind === "answered") this.#emit("answered", detail as Events["answered"]);
    if (kind === "released" || kind === "tuned") {
      const release = await this.#store.read(releaseOf);
      if (release) await this.#use(release);
    }
  }

  async #answered(answer: Answer, store: Store): Promise<void> {
    const fresh = await store.write(async (tables) => {
      const row = await tables.get("questions", answer.sequence);
      if (!row || answer.device !== this.device || !isNews(answer, row)) return false;
      const heard = { ...heardBy(row), [answer.numbered_by ?? ""]: answer.revision };
      await tables.put("questions", answer.sequence, { ...row, answer, heard, state: answer.provisional ? row.state : "answered", answered_ms: Date.now() });
      if (answer.label_index !== null && !answer.provisional)
        await tables.put("examples", answer.sequence, {
          sequence: answer.sequence, input: row.whole ?? decodeTensor(row.question.input), label_index: answer.label_index, weight: answer.confidence, source: answer.source, audit: row.question.audit ?? false, generation: 0,
        });
      return true;
    });
    if (!fresh) return;
    const detail = { ...answer, repeated: answer.revision > 1 };
    this.#emit("answered", detail);
    this.#post("answered", detail);
    void this.#learner.learnIfDue().catch(this.#failed);
  }

  async #ended(sequence: number, state: State, store: Store): Promise<void> {
    const problem: Problem = { code: "E_NOT_FOUND", message: `no answer will come: ${state}`, where: `question ${sequence}` };
    await store.write(async (tables) => {
      if (state === "erased") {
        await tables.delete("questions", sequence);
        await tables.delete("examples", sequence);
        return;
      }
      const row = await tables.get("questions", sequence);
      if (row && row.state !== "answered") await tables.put("questions", sequence, { ...row, state: "dead", problem });
    });
  }

  async #setOnline(online: boolean, denial?: Problem): Promise<void> {
    if (online === this.#online && online) return;
    this.#online = online;
    const [denied, before] = [denial !== undefined, this.#denied];
    this.#denied = denied;
    const { outbox, waiting } = await this.counts();
    this.#emit("state", { online, denied, outbox, waiting });
    if (denial && !before) this.#emit("error", { ...denial, remedy: "set token, of the element or in the options; questions are kept" });
  }

  #post(kind: string, detail?: unknown): void {
    this.#channel?.postMessage({ kind, detail });
  }

  #emit<N extends Name>(name: N, detail: Events[N]): void {
    if (name === "progress") this.options.onprogress?.(detail as Progress);
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** What goes wrong with nobody waiting for it is an event; once closed, nobody listens either. */
  readonly #failed = (error: unknown): void => {
    if (!this.#closed) this.#emit("error", toProblem(error));
  };

  close(): void {
    this.#closed = true;
    this.#learner?.close();
    this.#uplink?.close();
    this.#channel?.close();
    this.#channel = null; // a closed one throws at what is still under way
    this.#release?.();
    this.#predictor.onlost = null;
    this.#predictor.close();
    this.#store.close();
  }

  /** Forget everything this device keeps of this model: questions, answers, examples, weights, its own id. */
  async erase(): Promise<void> {
    await this.#store.write(async (tables) => {
      for (const row of await tables.all("questions")) await tables.delete("questions", row.sequence);
      for (const row of await tables.all("examples")) await tables.delete("examples", row.sequence);
      for (const file of this.release?.files ?? []) await tables.delete("blobs", file.sha256);
      for (const key of ["device", "sequence", "taught", "release", "tuned", "epoch", "lesson", "unkept"]) await tables.delete("pointers", key);
    });
    this.close();
  }
}

function heardBy({ heard, answer }: QuestionRow): Record<string, number> {
  return heard ?? (answer ? { [answer.numbered_by ?? ""]: answer.revision } : {});
}

/** The first final word; else a higher revision than any of its count, for a node that lost its disk counts anew. */
function isNews(answer: Answer, row: QuestionRow): boolean {
  const final = row.answer && !row.answer.provisional;
  if (!answer.provisional && !final) return true;
  return answer.revision > (heardBy(row)[answer.numbered_by ?? ""] ?? 0) && !(final && answer.provisional);
}

export { EdgeError };
