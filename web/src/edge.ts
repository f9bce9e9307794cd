// One model in this page: predicts, asks, takes answers home, learns, follows releases. The element is a thin skin of it.
import { PYTHON_BYTES, startPredictor, startPython, type Python } from "./runtime.ts";
import { EdgeError, toProblem } from "./problem.ts";
import type {
  Answer, Certified, Events, Learning, LearnOptions, ModelInfo, Policy, Prediction, PredictCalls, Problem, Progress, Question, Release, StartReport, State, Trained,
} from "./protocol.ts";
import { ASSETS, BASE } from "./assets.ts";
import { type Assets, executorsAt } from "./layout.ts";
import type { Remote } from "./rpc.ts";
import { fence, nextEpoch } from "./lead.ts";
import { fetchFile, keepRelease, makeSource, MEMORY_FILE, PLAN_FILE, type Source } from "./source.ts";
import { deviceId, openStore, type ExampleRow, type Lesson, type QuestionRow, releaseOf, type Store, type Tables, type Tuned } from "./store.ts";
import { Uplink } from "./uplink.ts";
import { decodeTensor, encodeTensor, IN_PAGE, inPageLine, type InPageLine, makeQuestion } from "./wire.ts";

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
  signal?: AbortSignal;
  onprogress?: (progress: Progress) => void;
}

type Name = keyof Events;
/** How to learn, and what stops it. */
type Wish = LearnOptions & { signal?: AbortSignal };

const PIECE_MS = 100;
const MOST_ATTEMPTS = 4;
/** Why a fine-tune may fail today and go on tomorrow. */
const AGAIN = new Set(["E_WORKER", "E_NETWORK", "E_ENVIRONMENT", "E_TIMEOUT"]);

/** What one piece of a fine-tune gives. */
interface Piece {
  progress: Partial<Learning>;
  generations: Record<string, Uint8Array<ArrayBuffer>> | null;
  trained: Trained | null;
}

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
  #python: Promise<Python> | null = null;
  #learner: Promise<Python> | null = null;
  #madePlan: Uint8Array<ArrayBuffer> | null = null;
  #loadedDigest = "";
  #learning: Promise<unknown> = Promise.resolve();
  #channel: BroadcastChannel | null = null;
  #release: (() => void) | null = null;
  #online = false;
  #closed = false;
  #sequence = 0;
  /** Bytes done and in all of the two parts of a start; both totals stand before the first byte is fetched. */
  readonly #bytes = { model: [0, 0], python: [0, 0] };
  #full = false;

  private constructor(options: EdgeOptions) {
    super();
    this.options = options;
    this.source = makeSource(options.src ?? "", options.origin ?? null, options.model ?? "");
  }

  /** Resolves when the predict worker can answer. Throws EdgeError with the code of what is wrong. */
  static async load(options: EdgeOptions, listen?: (edge: Edge) => void): Promise<Edge> {
    const edge = new Edge(options);
    listen?.(edge);
    const begin = performance.now();
    edge.#store = await openStore(`py-edge:${edge.source.place}:${edge.source.name}`);
    if (!edge.#store.durable) edge.#emit("error", { code: "E_STORAGE", message: "this browser keeps nothing for this page; questions and learning last until the tab closes" });
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
    if (options.learn !== "off") Promise.all([edge.learner(), edge.resume()]).catch((error: unknown) => edge.#emit("error", toProblem(error)));
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
    prediction ??= await this.#predict(input);
    const shape = this.info!.input_shape;
    const made = await makeQuestion(this.source.name, encodeTensor(input, shape), prediction, this.info!.labels, extra);
    const keep = this.#store.write(async (tables) => {
      // Storage wiped while the page is open must not give an old id to a new question.
      const next = Math.max(((await tables.get("pointers", "sequence")) as number | undefined) ?? 0, this.#sequence) + 1;
      await tables.put("pointers", "sequence", next);
      await tables.put("pointers", "device", this.device);
      const question: Question = { ...made, device: this.device, sequence: next };
      const row: QuestionRow = { sequence: next, question, state: "asked", attempts: 0, next_ms: 0, sent_ms: null, answered_ms: null, answer: null, problem: null };
      await tables.put("questions", next, row);
      return next;
    });
    this.#sequence = await keep.catch((error: unknown) => this.#fail(error));
    this.#post("asked");
    this.#uplink?.drain();
    return { device: this.device, sequence: this.#sequence };
  }

  async #predict(input: Float32Array): Promise<Prediction> {
    const worker = this.#predictor;
    try {
      return await worker.call("predict", { input, policy: this.#policy() });
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
    this.#learner ??= (async () => {
      const python = await this.#startPython();
      if (!this.python) this.#emit("ready", { stage: "learn", ms: performance.now() });
      this.python = python.report;
      this.#progress("python", "warmup", PYTHON_BYTES, PYTHON_BYTES);
      if (this.#loadedDigest !== this.release!.digest) await this.#loadLearner(python);
      return python;
    })();
    this.#learner.catch(() => (this.#learner = this.#python = null));
    return this.#learner;
  }

  #startPython(): Promise<Python> {
    this.#python ??= startPython(({ phase, done, total }) => this.#progress("python", phase, done, total)).then((python) => {
      void python.lost.then(() => {
        this.#python = this.#learner = null;
        this.#loadedDigest = "";
      });
      return python;
    });
    return this.#python;
  }

  /** Fine-tune on what came home, and on these inputs (with their label indices) first if any are given; swaps the new
   * plan in between two predictions. They go on from the old weights until then, and for good when the signal stops it. */
  async learn(inputs: Float32Array[] | Wish = [], labels: number[] = [], options: Wish = {}): Promise<Trained> {
    const given = Array.isArray(inputs);
    if (given) for (const [i, input] of inputs.entries()) await this.teach(input, labels[i]!);
    const { signal, ...wish } = given ? options : inputs;
    const run = this.#learning.then(() => this.#alone(() => this.#learnNow(wish, signal)));
    this.#learning = run.catch(() => undefined);
    return run;
  }

  /** Go on with the fine-tune during which this tab, or another one, died. */
  resume(): Promise<Trained | null> {
    const run = this.#learning.then(() => this.#alone(async () => {
      const lesson = await this.#lesson();
      return lesson && lesson.base_digest === this.release!.digest && lesson.attempts < MOST_ATTEMPTS ? this.#learnNow(lesson.options, undefined, lesson) : null;
    }));
    this.#learning = run.catch(() => undefined);
    return run;
  }

  /** One tab fine-tunes at a time. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    if (!navigator.locks) return work();
    return navigator.locks.request(`py-edge learn:${this.source.place}:${this.source.name}`, work) as Promise<T>;
  }

  /** Add an example of the page's own, as if an answer had come home. */
  async teach(input: Float32Array, label_index: number, weight = 1): Promise<void> {
    await this.#store.write(async (tables) => {
      const next = (((await tables.get("pointers", "taught")) as number | undefined) ?? 0) - 1;
      await tables.put("pointers", "taught", next);
      await tables.put("examples", next, { sequence: next, input, label_index, weight, source: "page", audit: false, generation: 0 });
    });
  }

  /** Certify anew with the audits that came home, without training. */
  certify(): Promise<Certified> {
    const run = this.#learning.then(() => this.#certifyNow());
    this.#learning = run.catch(() => undefined);
    return run;
  }

  async #learnNow(options: LearnOptions, signal?: AbortSignal, broken?: Lesson): Promise<Trained> {
    const begin = performance.now();
    const { lessons, audits } = await this.#examples();
    const chosen = broken ? lessons.filter((row) => broken.examples.includes(row.sequence)) : lessons;
    const lesson: Lesson = broken ?? { base_digest: this.release!.digest, options, examples: chosen.map((row) => row.sequence), kept: new Map(), attempts: 0 };
    const trained = await this.#train(lesson, chosen, audits, signal);
    await this.#install(trained, trained.plan, chosen);
    const result = { ...trained, examples: chosen.length, ms: performance.now() - begin };
    this.#emit("trained", { examples: chosen.length, ms: result.ms, train_ms: trained.train_ms, loss: trained.loss, model_version: this.release!.version });
    return result;
  }

  /** Train, and go on from the last generation when the worker dies. */
  async #train(lesson: Lesson, lessons: ExampleRow[], audits: ExampleRow[], signal?: AbortSignal): Promise<Trained> {
    for (let deaths = 0; ; deaths++) {
      const before = lesson.kept;
      try {
        return await this.#inPieces(lesson, lessons, audits, signal);
      } catch (error) {
        if (this.#closed) throw error;
        const { code } = toProblem(error);
        if (lesson.kept !== before) deaths = 0;
        if (code === "E_WORKER" && deaths < MOST_ATTEMPTS) continue;
        if (!AGAIN.has(code) || lesson.attempts >= MOST_ATTEMPTS) await this.#keepLesson(null);
        throw error;
      }
    }
  }

  async #inPieces(lesson: Lesson, lessons: ExampleRow[], audits: ExampleRow[], signal?: AbortSignal): Promise<Trained> {
    const python = await this.#ownLearner();
    const name = this.source.name;
    const tests = this.#arrays(audits).slice(0, 2);
    lesson.attempts++;
    let writing = this.#keepLesson(lesson);
    await python.call("learn_begin", name, ...this.#arrays(lessons), lesson.options, lesson.kept);
    for (;;) {
      if (signal?.aborted || this.#closed) {
        await python.call("learn_stop", name);
        throw new EdgeError({ code: "E_ABORTED", message: "stopped", where: "fine-tune" });
      }
      const { progress, generations, trained } = await python.call<Piece>("learn_on", name, PIECE_MS, ...tests);
      await writing;
      if (progress.epochs) this.#emit("learning", progress as Learning);
      if (trained) return trained;
      if (!generations) continue;
      lesson.kept = new Map(Object.entries(generations));
      lesson.attempts = 1;
      writing = this.#keepLesson(lesson);
    }
  }

  async #lesson(): Promise<Lesson | undefined> {
    return (await this.#store.read((tables) => tables.get("pointers", "lesson"))) as Lesson | undefined;
  }

  /** Put the fine-tune's state away, as a whole or not at all. A full or broken storage does not stop it: the page is told. */
  async #keepLesson(lesson: Lesson | null): Promise<void> {
    await this.#keep((tables) => (lesson ? tables.put("pointers", "lesson", lesson) : tables.delete("pointers", "lesson")));
  }

  async #keep(work: (tables: Tables) => Promise<void>): Promise<void> {
    try {
      await this.#store.write(work);
      this.#full = false;
    } catch (error) {
      if (this.#closed) return;
      if (!this.#full) this.#emit("error", { ...toProblem(error), where: "fine-tune", remedy: "learning goes on in memory and lasts until the tab closes" });
      this.#full = true;
    }
  }

  async #certifyNow(): Promise<Certified> {
    const python = await this.#ownLearner();
    const { audits } = await this.#examples();
    const certified = await python.call<Certified>("certify", this.source.name, ...this.#arrays(audits).slice(0, 2));
    const tuned = (await this.#store.read((tables) => tables.get("pointers", "tuned"))) as Tuned | undefined;
    await this.#install(certified, tuned?.base_digest === this.release!.digest ? tuned.plan : null, []);
    return certified;
  }

  async #ownLearner(): Promise<Python> {
    const python = await this.learner();
    if (this.#loadedDigest !== this.release!.digest) await this.#loadLearner(python);
    return python;
  }

  async #examples(): Promise<{ lessons: ExampleRow[]; audits: ExampleRow[] }> {
    const rows = await this.#store.read((tables) => tables.all("examples"));
    return { lessons: rows.filter((row) => !row.audit), audits: rows.filter((row) => row.audit) };
  }

  /** Inputs one after the other, labels, weights: what Python takes. */
  #arrays(rows: ExampleRow[]): [Float32Array, Int32Array, Float32Array] {
    const size = this.info!.input_shape.reduce((a, b) => a * b, 1);
    const inputs = new Float32Array(rows.length * size);
    rows.forEach((row, i) => inputs.set(row.input, i * size));
    return [inputs, Int32Array.from(rows, (row) => row.label_index), Float32Array.from(rows, (row) => row.weight)];
  }

  async #install({ temperature, threshold }: Certified, plan: Tuned["plan"], seen: ExampleRow[]): Promise<void> {
    const tuned: Tuned = { base_digest: this.release!.digest, plan, temperature, threshold, examples: seen.length };
    await this.#swap(plan ?? (await this.#ownPlan()), tuned);
    this.tuned = plan !== null;
    await this.#keep(async (tables) => {
      await tables.put("pointers", "tuned", tuned);
      if (seen.length) await tables.delete("pointers", "lesson");
      for (const row of seen) await tables.put("examples", row.sequence, { ...row, generation: row.generation + 1 });
    });
    this.#post("tuned");
  }

  async #loadLearner(python: Python): Promise<void> {
    const release = this.release!;
    const names = release.files.map((file) => file.path).filter((path) => path !== PLAN_FILE);
    const files = await Promise.all(names.map((path) => fetchFile(this.source, this.#store, release, path)));
    await python.call("load", this.source.name, new Map(names.map((path, i) => [path, files[i]])), release.metadata, { memory: MEMORY_FILE });
    this.#loadedDigest = release.digest;
    this.#madePlan = null;
    if (!this.info) await this.#swap(await this.#ownPlan(python), {});
  }

  /** The release's plan: its own file, or made by Python when it has none. */
  async #ownPlan(python?: Python, onbytes?: (count: number) => void): Promise<Uint8Array<ArrayBuffer>> {
    if (this.release!.files.some((file) => file.path === PLAN_FILE)) return fetchFile(this.source, this.#store, this.release!, PLAN_FILE, onbytes, this.options.signal);
    return (this.#madePlan ??= await (python ?? (await this.#ownLearner())).call<Uint8Array<ArrayBuffer>>("plan", this.source.name));
  }

  async #learnIfDue(): Promise<void> {
    if (this.options.learn !== "auto" || this.#closed) return;
    const fresh = (await this.#examples()).lessons.filter((row) => row.generation === 0);
    if (fresh.length >= (this.options.learnEvery ?? 8)) await this.learn().catch((error: unknown) => this.#emit("error", toProblem(error)));
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
        await this.#swap(own.plan ?? (await this.#ownPlan(undefined, onbytes)), own);
        onbytes(total - done);
        this.tuned = Boolean(own.plan);
      } else {
        this.info = null;
        await this.#loadLearner(await this.#startPython());
      }
    } catch (error) {
      this.release = before;
      throw error;
    }
    await keepRelease(this.#store, release);
    if (before && before.digest !== release.digest) this.#emit("released", { name: release.name, version: release.version, digest: release.digest });
  }

  async #offered(release: Release): Promise<void> {
    if (release.name !== this.source.name || release.digest === this.release?.digest) return;
    if (this.release && release.version <= this.release.version) return;
    const work = this.#learning.then(async () => {
      await this.#use(release);
      this.#post("released");
    });
    this.#learning = work.catch((error: unknown) => this.#emit("error", toProblem(error)));
    await this.#learning;
    const { lessons } = await this.#examples();
    if (this.options.learn === "auto" && lessons.length >= (this.options.learnEvery ?? 8) && this.python)
      await this.learn().catch((error: unknown) => this.#emit("error", toProblem(error)));
  }

  async #swap(plan: Uint8Array<ArrayBuffer>, own: Partial<Tuned>): Promise<void> {
    const { labels, temperature, threshold } = this.release!.metadata;
    const policy: Policy = { version: this.release!.version };
    if (labels) policy.labels = labels;
    const t = own.temperature ?? temperature;
    const limit = own.threshold ?? threshold;
    if (t !== undefined) policy.temperature = t;
    if (limit !== undefined) policy.threshold = limit;
    this.info = await this.#predictor.call("load", { plan: plan.slice().buffer, executors: executorsAt(ASSETS, BASE), policy });
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
      void this.#use(this.release).catch((failure: unknown) => this.#emit("error", toProblem(failure)));
    };
  }

  // ---- answers coming home ----

  /** One tab sends and listens for all; the others hear from it. */
  #join(): void {
    if (!this.source.api) return;
    if (this.source.api.startsWith(IN_PAGE)) inPageLine(startInPage).catch((error: unknown) => this.#emit("error", toProblem(error)));
    const name = `py-edge:${this.source.api}:${this.source.name}`;
    if (typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(name);
      this.#channel.addEventListener("message", (event: MessageEvent<{ kind: string; detail?: unknown }>) => void this.#heard(event.data));
    }
    const lead = async () => {
      const store = fence(this.#store, await nextEpoch(this.#store), () => stepDown());
      if (this.#closed) return;
      this.#uplink = new Uplink(this.source.api, this.device, store, {
        accepted: (row, receipt) => this.#emit("escalated", { device: this.device, sequence: row.sequence, state: receipt.state, place: String(receipt.place ?? ""), estimate_s: receipt.estimate_s }),
        answered: (answer) => this.#answered(answer, store),
        ended: ({ sequence, state }) => this.#ended(sequence, state, store),
        released: (release) => void this.#offered(release),
        refused: (_row, problem) => this.#emit("error", problem),
        online: (online) => void this.#setOnline(online),
      });
      this.#uplink.start();
    };
    const stand = () => {
      navigator.locks
        .request(name, async () => {
          if (this.#closed) return;
          const released = new Promise<void>((resolve) => (this.#release = resolve));
          await lead();
          await released;
        })
        .catch(() => stepDown()); // another tab took the lock away
    };
    const stepDown = () => {
      const was = this.#uplink;
      if (!was) return;
      this.#uplink = null;
      was.close();
      this.#release?.();
      if (navigator.locks && !this.#closed) stand();
    };
    if (navigator.locks) stand();
    else void lead();
  }

  async #heard({ kind, detail }: { kind: string; detail?: unknown }): Promise<void> {
    if (kind === "asked") this.#uplink?.drain();
    if (kind === "answered") this.#emit("answered", detail as Events["answered"]);
    if (kind === "released" || kind === "tuned") {
      const release = await this.#store.read(releaseOf);
      if (release) await this.#use(release).catch((error: unknown) => this.#emit("error", toProblem(error)));
    }
  }

  async #answered(answer: Answer, store: Store): Promise<void> {
    const fresh = await store.write(async (tables) => {
      const row = await tables.get("questions", answer.sequence);
      if (!row || answer.device !== this.device || (row.answer && row.answer.revision >= answer.revision)) return false;
      await tables.put("questions", answer.sequence, { ...row, answer, state: answer.provisional ? row.state : "answered", answered_ms: Date.now() });
      if (answer.label_index !== null && !answer.provisional)
        await tables.put("examples", answer.sequence, {
          sequence: answer.sequence, input: decodeTensor(row.question.input), label_index: answer.label_index, weight: answer.confidence, source: answer.source, audit: row.question.audit ?? false, generation: 0,
        });
      return true;
    });
    if (!fresh) return;
    const detail = { ...answer, repeated: answer.revision > 1 };
    this.#emit("answered", detail);
    this.#post("answered", detail);
    void this.#learnIfDue();
  }

  async #ended(sequence: number, state: State, store: Store): Promise<void> {
    const problem: Problem = { code: "E_NOT_FOUND", message: `no answer will come: ${state}`, where: `question ${sequence}` };
    await store.write(async (tables) => {
      const row = await tables.get("questions", sequence);
      if (row && row.state !== "answered") await tables.put("questions", sequence, { ...row, state: "dead", problem });
    });
  }

  async #setOnline(online: boolean): Promise<void> {
    if (online === this.#online && online) return;
    this.#online = online;
    const { outbox, waiting } = await this.counts();
    this.#emit("state", { online, outbox, waiting });
  }

  #post(kind: string, detail?: unknown): void {
    this.#channel?.postMessage({ kind, detail });
  }

  #emit<N extends Name>(name: N, detail: Events[N]): void {
    if (name === "progress") this.options.onprogress?.(detail as Progress);
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  close(): void {
    this.#closed = true;
    this.#uplink?.close();
    this.#channel?.close();
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
      for (const key of ["device", "sequence", "taught", "release", "tuned", "epoch", "lesson"]) await tables.delete("pointers", key);
    });
    this.close();
  }
}

export { EdgeError };
