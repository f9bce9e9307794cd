// <py-edge>: a thin skin over Edge. Attributes are configuration in, events `pyedge:<name>` are facts out.
import { Edge, type EdgeOptions } from "./edge.ts";
import { sentence, toProblem } from "./problem.ts";
import type { Events, Prediction, Progress, StartReport, Trained } from "./protocol.ts";

const NAMES: (keyof Events)[] = ["progress", "ready", "prediction", "escalated", "answered", "learning", "trained", "released", "state", "error"];

const SKIN = `
:host { display: block; font: inherit; }
:host([hidden]) { display: none; }
progress { width: 100%; height: .4rem; accent-color: var(--pyedge-accent, #0072b2); }
progress[hidden] { display: none; }
[part=status] { font-size: .875em; min-height: 1.4em; margin: .25em 0; }
[part~=result] { font-weight: 600; margin: .25em 0; }
[part~=old] { opacity: .7; }
`;

interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

export class PyEdgeElement extends HTMLElement {
  static readonly observedAttributes = ["threshold"];
  /** The model behind the element, once loading has begun. */
  edge: Edge | null = null;
  /** See EdgeOptions.send; set before loading, be it before this class is here. */
  declare send: EdgeOptions["send"];
  /** See EdgeOptions.token; may change at any time. No attribute: it would stand in the page's source. */
  declare token: EdgeOptions["token"];
  #ready = deferred<Edge>();
  #status: HTMLElement;
  #bar: HTMLProgressElement;
  #result: HTMLElement;
  #begun = false;
  #most = 0;
  #troubled = false;
  #away = "";
  #observer: IntersectionObserver | null = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet();
    style.replaceSync(SKIN);
    root.adoptedStyleSheets = [style];
    const make = <K extends keyof HTMLElementTagNameMap>(tag: K, part: string) => {
      const node = document.createElement(tag);
      node.setAttribute("part", part);
      return node;
    };
    const slot = document.createElement("slot");
    this.#bar = make("progress", "bar");
    this.#bar.setAttribute("aria-label", "loading");
    this.#bar.hidden = true;
    this.#result = make("div", "result");
    this.#status = make("div", "status");
    this.#status.setAttribute("role", "status");
    root.append(slot, this.#bar, this.#result, this.#status);
  }

  /** Resolves with the Edge when the predict worker can answer. */
  get ready(): Promise<Edge> {
    return this.#ready.promise;
  }

  /** Resolves when Python is up and has the model. */
  get learning(): Promise<StartReport> {
    return this.ready.then((edge) => edge.learner()).then((python) => python.report);
  }

  connectedCallback(): void {
    if (this.#begun) return;
    this.#last((text) => text && this.#paint(text, true));
    // Later in the same turn, so that a script may still set attributes of an element in the page's markup.
    if (this.getAttribute("loading") === "lazy") return;
    if (this.getAttribute("loading") !== "visible") {
      setTimeout(() => this.isConnected && this.load());
      return;
    }
    this.#observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) setTimeout(() => this.load());
    });
    this.#observer.observe(this);
  }

  disconnectedCallback(): void {
    // A move inside the document disconnects and connects again in one task.
    queueMicrotask(() => this.isConnected || this.close());
  }

  attributeChangedCallback(): void {
    if (this.edge) this.edge.options.threshold = this.#number("threshold")!;
  }

  /** Begin loading; called by itself unless loading="lazy". Never throws: what goes wrong is an error event. */
  async load(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    this.#observer?.disconnect();
    const options: EdgeOptions = {
      src: this.getAttribute("src") ?? "",
      origin: this.getAttribute("origin"),
      model: this.getAttribute("model") ?? "",
      learn: (this.getAttribute("learn") as EdgeOptions["learn"]) ?? "auto",
      learnEvery: this.#number("learn-every") ?? 8,
      audit: this.#number("audit") ?? 0,
      threads: this.#number("threads"),
      send: this.send,
      token: () => (typeof this.token === "function" ? this.token() : this.token),
    };
    const threshold = this.#number("threshold");
    if (threshold !== undefined) options.threshold = threshold;
    this.#say("Loading the model");
    try {
      this.edge = await Edge.load(options, (edge) => this.#relay(edge));
      this.#ready.resolve(this.edge);
    } catch (error) {
      const problem = toProblem(error);
      this.#tell("error", problem);
      this.#ready.reject(error);
    }
  }

  predict(input: Float32Array): Promise<Prediction> {
    return this.ready.then((edge) => edge.predict(input));
  }

  predictOrAsk(input: Float32Array): Promise<{ prediction: Prediction; sequence: number | null }> {
    return this.ready.then((edge) => edge.predictOrAsk(input));
  }

  ask(input: Float32Array): Promise<{ device: string; sequence: number }> {
    return this.ready.then((edge) => edge.ask(input));
  }

  learn(...args: Parameters<Edge["learn"]>): Promise<Trained> {
    return this.ready.then((edge) => edge.learn(...args));
  }

  close(): void {
    this.edge?.close();
    this.edge = null;
    this.#begun = false;
    this.#most = 0;
    this.#troubled = false;
    this.#ready = deferred<Edge>();
  }

  /** The last answer of this element, kept so that the next visit shows something at once; nothing where storage is denied. */
  #last(use: (kept: string | null) => string | null | void): void {
    const key = `py-edge:last:${location.pathname}:${this.getAttribute("src") ?? this.getAttribute("model")}`;
    try {
      const text = use(localStorage.getItem(key));
      if (text) localStorage.setItem(key, text);
    } catch {
      // Only the picture of the last visit is lost.
    }
  }

  #paint(text: string, old = false): void {
    this.#result.textContent = text;
    this.#result.part.toggle("old", old);
    if (!old) this.#last(() => text);
  }

  #number(name: string): number | undefined {
    const text = this.getAttribute(name);
    const value = text === null || text === "" ? NaN : Number(text);
    return Number.isFinite(value) ? value : undefined;
  }

  #relay(edge: Edge): void {
    for (const name of NAMES) edge.addEventListener(name, (event) => this.#tell(name, (event as CustomEvent<never>).detail));
  }

  #tell<N extends keyof Events>(name: N, detail: Events[N]): void {
    this.#show(name, detail);
    this.dispatchEvent(new CustomEvent(`pyedge:${name}`, { detail, bubbles: true, composed: true }));
  }

  #show<N extends keyof Events>(name: N, detail: Events[N]): void {
    if (name === "progress") return this.#advance(detail as Progress);
    // What went wrong while it was loading stays to be read.
    if (name === "ready" && !this.#troubled) this.#say((detail as Events["ready"]).stage === "predict" ? "Ready" : "Ready, and able to learn");
    if (name === "prediction") {
      const { label, confidence, defer, sequence } = detail as Events["prediction"];
      const asking = sequence === null ? "" : this.edge?.source.api ? ": asking" : "; kept here, no node is named to ask";
      this.#paint(label === null ? "no answer" : `${label} (${Math.round(confidence * 100)} %)`);
      this.#say(defer ? `${label === null ? "This is nothing that the model can judge" : "Not sure"}${asking}` : "Answered on this device");
    }
    if (name === "answered") {
      const { label, source } = detail as Events["answered"];
      this.#paint(label ?? "no label fits");
      this.#say(`Answered by ${source === "person" ? "a person" : source}`);
    }
    if (name === "learning") {
      const { epoch, epochs, loss } = detail as Events["learning"];
      this.#say(`Learning, epoch ${epoch + 1} of ${epochs}, loss ${loss.toFixed(3)}`);
    }
    if (name === "trained") this.#say(`Learnt from ${(detail as Events["trained"]).examples} answers`);
    if (name === "released") this.#say(`New model, version ${(detail as Events["released"]).version}`);
    if (name === "state") {
      const { online, denied } = detail as Events["state"];
      if (!online) this.#say((this.#away = `The node ${denied ? "wants a token" : "does not answer"}; questions are kept`));
      else if (this.#status.textContent === this.#away) this.#say("The node answers again");
    }
    if (name === "error") {
      this.#troubled = true;
      this.#bar.hidden = true;
      this.#say(sentence(detail as Events["error"]));
    }
  }

  #advance({ done, total }: Progress): void {
    this.#most = Math.max(this.#most, total ? done / total : 0);
    this.#bar.hidden = this.#most >= 1;
    this.#bar.value = this.#most;
  }

  #say(text: string): void {
    if (this.#status.textContent !== text) this.#status.textContent = text;
  }
}

Object.assign(PyEdgeElement.prototype, { send: undefined, token: undefined }); // as fields they would wipe what a script set before the upgrade
if (!customElements.get("py-edge")) customElements.define("py-edge", PyEdgeElement);

declare global {
  interface HTMLElementTagNameMap {
    "py-edge": PyEdgeElement;
  }
}
