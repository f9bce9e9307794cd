// How this device learns: Python in its worker, what came home as examples, and fine-tunes in pieces that outlive the
// worker, the tab and a full storage. The model in the page goes on predicting meanwhile.
import type { Edge } from "./edge.ts";
import { EdgeError, toProblem } from "./problem.ts";
import type { Certified, Events, Learning, LearnOptions, Progress, Trained } from "./protocol.ts";
import { PYTHON_BYTES, startPython, type Python } from "./runtime.ts";
import { fetchFile, MEMORY_FILE, PLAN_FILE } from "./source.ts";
import type { ExampleRow, Lesson, Store, Tables, Tuned } from "./store.ts";

/** How to learn, and what stops it. */
export type Wish = LearnOptions & { signal?: AbortSignal };

type Plan = Uint8Array<ArrayBuffer>;

/** What the learner tells the model in the page. */
export interface LearnerEvents {
  emit<N extends keyof Events>(name: N, detail: Events[N]): void;
  progress(phase: Progress["phase"], done: number, total: number): void;
  /** Answer from this plan from now on. */
  swap(plan: Plan, own: Partial<Tuned>): Promise<void>;
  /** What was learnt is kept; the other tabs may take it. */
  kept(): void;
}

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

export class Learner {
  readonly #edge: Edge;
  readonly #store: Store;
  readonly #tell: LearnerEvents;
  #python: Promise<Python> | null = null;
  #ready: Promise<Python> | null = null;
  #madePlan: Plan | null = null;
  #loadedDigest = "";
  #queue: Promise<unknown> = Promise.resolve();
  #full = false;
  #closed = false;

  constructor(edge: Edge, store: Store, tell: LearnerEvents) {
    this.#edge = edge;
    this.#store = store;
    this.#tell = tell;
  }

  close(): void {
    this.#closed = true;
  }

  /** Python in its worker with this model loaded; starts it on the first call. */
  ready(): Promise<Python> {
    this.#ready ??= (async () => {
      const python = await this.#start();
      if (!this.#edge.python) this.#tell.emit("ready", { stage: "learn", ms: performance.now() });
      this.#edge.python = python.report;
      this.#tell.progress("warmup", PYTHON_BYTES, PYTHON_BYTES);
      if (this.#loadedDigest !== this.#edge.release!.digest) await this.load(python);
      return python;
    })();
    this.#ready.catch((error: unknown) => {
      this.#ready = this.#python = null;
      const problem = toProblem(error);
      if (problem.code === "E_GONE" && !this.#closed) this.#tell.emit("error", problem); // no call of the page's can mend this
    });
    return this.#ready;
  }

  #start(): Promise<Python> {
    this.#python ??= startPython(({ phase, done, total }) => this.#tell.progress(phase, done, total)).then((python) => {
      python.lost.finally(() => {
        this.#python = this.#ready = null;
        this.#loadedDigest = "";
      }).catch(() => undefined);
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
    return this.after(() => this.#alone(() => this.#learnNow(wish, signal)));
  }

  /** Go on with the fine-tune during which this tab, or another one, died. */
  resume(): Promise<Trained | null> {
    const goOn = async () => {
      const lesson = await this.#lesson();
      return lesson && lesson.base_digest === this.#edge.release!.digest && lesson.attempts < MOST_ATTEMPTS ? this.#learnNow(lesson.options, undefined, lesson) : null;
    };
    return this.after(() => this.#alone(goOn));
  }

  /** One after the other: fine-tunes, certificates, and the releases that change what they stand on. */
  after<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(work);
    this.#queue = run.catch(() => undefined);
    return run;
  }

  /** One tab fine-tunes at a time, where tabs share what they keep. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#store.durable || !navigator.locks) return work();
    return navigator.locks.request(`py-edge learn:${this.#edge.source.place}:${this.#edge.source.name}`, work) as Promise<T>;
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
    return this.after(() => this.#certifyNow());
  }

  async #learnNow(options: LearnOptions, signal?: AbortSignal, broken?: Lesson): Promise<Trained> {
    const begin = performance.now();
    const { lessons, audits } = await this.#examples();
    const chosen = broken ? lessons.filter((row) => broken.examples.includes(row.sequence)) : lessons;
    const lesson: Lesson = broken ?? { base_digest: this.#edge.release!.digest, options, examples: chosen.map((row) => row.sequence), kept: new Map(), attempts: 0 };
    const trained = await this.#train(lesson, chosen, audits, signal);
    await this.#install(trained, trained, chosen);
    const result = { ...trained, examples: chosen.length, ms: performance.now() - begin };
    this.#tell.emit("trained", { examples: chosen.length, ms: result.ms, train_ms: trained.train_ms, loss: trained.loss, model_version: this.#edge.release!.version });
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
    const python = await this.#own();
    const name = this.#edge.source.name;
    const tests = this.#arrays(audits).slice(0, 2);
    lesson.attempts++;
    let writing = this.#keepLesson(lesson);
    if (lesson.options.head) await python.install(["scikit-learn"]);
    await python.call("learn_begin", name, ...this.#arrays(lessons), lesson.options, lesson.kept);
    for (;;) {
      if (signal?.aborted || this.#closed) {
        await python.call("learn_stop", name);
        throw new EdgeError({ code: "E_ABORTED", message: "stopped", where: "fine-tune" });
      }
      const { progress, generations, trained } = await python.call<Piece>("learn_on", name, PIECE_MS, ...tests);
      await writing;
      if (progress.epochs) this.#tell.emit("learning", progress as Learning);
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
      if (!this.#full) this.#tell.emit("error", { ...toProblem(error), where: "fine-tune", remedy: "learning goes on in memory and lasts until the tab closes" });
      this.#full = true;
    }
  }

  /** The model as it answers now, what was learnt included, as TensorFlow.js files by path. */
  save(): Promise<Record<string, Plan>> {
    return this.after(async () => (await this.#own()).call<Record<string, Plan>>("files", this.#edge.source.name));
  }

  /** What was learnt against the release, small enough to send. levels: steps on either side of zero, 1 to 127. */
  delta(levels = 4): Promise<Plan> {
    return this.after(async () => (await this.#own()).call<Plan>("delta", this.#edge.source.name, levels));
  }

  /** What is kept of the last fine-tune, if it stands on the present release. */
  async #learnt(): Promise<Tuned | null> {
    const tuned = (await this.#store.read((tables) => tables.get("pointers", "tuned"))) as Tuned | undefined;
    return tuned?.base_digest === this.#edge.release!.digest ? tuned : null;
  }

  async #certifyNow(): Promise<Certified> {
    const python = await this.#own();
    const { audits } = await this.#examples();
    const certified = await python.call<Certified>("certify", this.#edge.source.name, ...this.#arrays(audits).slice(0, 2));
    await this.#install(certified, (await this.#learnt()) ?? { plan: null }, []);
    return certified;
  }

  async #own(): Promise<Python> {
    const python = await this.ready();
    if (this.#loadedDigest !== this.#edge.release!.digest) await this.load(python);
    return python;
  }

  async #examples(): Promise<{ lessons: ExampleRow[]; audits: ExampleRow[] }> {
    const rows = await this.#store.read((tables) => tables.all("examples"));
    return { lessons: rows.filter((row) => !row.audit), audits: rows.filter((row) => row.audit) };
  }

  /** Inputs one after the other, labels, weights: what Python takes. */
  #arrays(rows: ExampleRow[]): [Float32Array, Int32Array, Float32Array] {
    const size = this.#edge.info!.input_shape.reduce((a, b) => a * b, 1);
    const inputs = new Float32Array(rows.length * size);
    rows.forEach((row, i) => inputs.set(row.input, i * size));
    return [inputs, Int32Array.from(rows, (row) => row.label_index), Float32Array.from(rows, (row) => row.weight)];
  }

  async #install({ temperature, threshold }: Certified, { plan, change = null }: Pick<Tuned, "plan" | "change">, seen: ExampleRow[]): Promise<void> {
    const tuned: Tuned = { base_digest: this.#edge.release!.digest, plan, change, temperature, threshold, examples: seen.length };
    await this.#tell.swap(plan ?? (await this.plan()), tuned);
    this.#edge.tuned = plan !== null;
    await this.#keep(async (tables) => {
      await tables.put("pointers", "tuned", tuned);
      if (seen.length) await tables.delete("pointers", "lesson");
      for (const row of seen) await tables.put("examples", row.sequence, { ...row, generation: row.generation + 1 });
    });
    this.#tell.kept();
  }

  /** Give Python the released model, and the page its plan when the release has none. */
  async load(python?: Python): Promise<void> {
    python ??= await this.#start();
    const release = this.#edge.release!;
    const names = release.files.map((file) => file.path).filter((path) => path !== PLAN_FILE);
    const files = await Promise.all(names.map((path) => fetchFile(this.#edge.source, this.#store, release, path)));
    const change = (await this.#learnt())?.change ?? null;
    await python.call("load", this.#edge.source.name, new Map(names.map((path, i) => [path, files[i]])), release.metadata, { memory: MEMORY_FILE, change });
    this.#loadedDigest = release.digest;
    this.#madePlan = null;
    if (!this.#edge.info) await this.#tell.swap(await this.plan(undefined, python), {});
  }

  /** The release's plan: its own file, or made by Python when it has none. */
  async plan(onbytes?: (count: number) => void, python?: Python): Promise<Plan> {
    const { source, release, options } = this.#edge;
    if (release!.files.some((file) => file.path === PLAN_FILE)) return fetchFile(source, this.#store, release!, PLAN_FILE, onbytes, options.signal);
    return (this.#madePlan ??= await (python ?? (await this.#own())).call<Plan>("plan", source.name));
  }

  /** Fine-tune by itself, as the page wished: when enough answers are new, or all of them are on a new release. */
  async learnIfDue(all = false): Promise<void> {
    const { learn, learnEvery = 8 } = this.#edge.options;
    if (learn !== "auto" || this.#closed) return;
    const due = (await this.#examples()).lessons.filter((row) => all || row.generation === 0);
    if (due.length >= learnEvery) await this.learn().catch((error: unknown) => this.#tell.emit("error", toProblem(error)));
  }
}
