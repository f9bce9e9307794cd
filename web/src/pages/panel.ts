// The desk as a part of a page: one doubtful input, the model's guess, a key per label.
// Digits answer, s skips, u takes the last vote back, arrows walk over the labels, / finds one among many.
import { toProblem, sentence } from "../problem.ts";
import type { DeskTask } from "../protocol.ts";
import { callNode } from "../wire.ts";
import { el, percent } from "./dom.ts";
import { inputView } from "./input.ts";

const IDLE_MS = 1_000;
const MANY_LABELS = 10; // more than there are digits: a field finds them
const SEEN = {
  input: "what the model was not sure of",
  crop: "a part of what the model was not sure of",
  features: "numbers made from what the model was not sure of",
};
const STEPS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class DeskPanel {
  readonly node = el("div", { class: "desk", tabindex: -1 });
  readonly #api: string;
  readonly #annotator: string;
  #task: DeskTask | null = null;
  #labels: string[] = [];
  #find: HTMLInputElement | null = null;
  #shown_ms = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  /** Told after each vote that was kept or taken back: how many stand, by what they are. */
  onvote: ((answered: number, skipped: number) => void) | null = null;
  readonly #counts = { answered: 0, skipped: 0 };
  #last: { task: DeskTask; counted: "answered" | "skipped" } | null = null;

  /** api: the node's `…/v1/`. */
  constructor(api: string, annotator: string) {
    this.#api = api;
    this.#annotator = annotator;
    this.#message("Looking for questions");
    this.#do(this.next());
  }

  /** What goes wrong in work that nobody waits for is said on the desk. */
  #do(work: Promise<void>): void {
    work.catch((error: unknown) => this.#message(sentence(toProblem(error))));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** True if the key meant something here. */
  key(key: string): boolean {
    if (key === "u" && this.#last) {
      this.#do(this.#undo());
      return true;
    }
    const task = this.#task;
    if (!task) return false;
    if (key in STEPS) this.#walk(STEPS[key]!);
    else if (key === "/" && this.#find) this.#find.focus();
    else if (key === "s") this.#do(this.#vote("skip", null));
    else if (key === "c") this.#do(this.#vote("cannot_tell", null));
    else if (key === "n") this.#do(this.#vote("none_of_these", null));
    else {
      const index = "1234567890".indexOf(key);
      const byName = this.#labels.indexOf(key);
      const label = byName >= 0 ? byName : index;
      if (key.length !== 1 || label < 0 || label >= this.#labels.length) return false;
      this.#do(this.#vote("label", label));
    }
    return true;
  }

  async next(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    try {
      const { task, waiting } = await callNode<{ task: DeskTask | null; waiting: number }>(`${this.#api}desk/next?annotator=${encodeURIComponent(this.#annotator)}`);
      this.#task = task;
      if (task) return this.#show(task, waiting - 1);
      this.#message("Nobody is waiting. New questions appear here by themselves.");
    } catch (error) {
      this.#message(sentence(toProblem(error)));
    }
    this.#timer = setTimeout(() => this.#do(this.next()), IDLE_MS);
  }

  #show(task: DeskTask, waiting: number): void {
    this.#shown_ms = performance.now();
    this.#labels = task.labels ?? [];
    const best = task.candidates.slice(0, 3);
    const guess = best.map(({ label, probability }) => `${label} ${percent(probability)}`).join(", ");
    const buttons = this.#labels.map((label, index) =>
      el("button", { type: "button", class: "label", onclick: () => this.#do(this.#vote("label", index)) }, label, ...(index < 10 && !/^\d$/.test(label) ? [keyHint("1234567890"[index]!)] : [])),
    );
    const others = ([["s", "Skip", "skip"], ["c", "Cannot tell", "cannot_tell"], ["n", "None of these", "none_of_these"]] as const).map(([key, words, verdict]) =>
      el("button", { type: "button", class: "quiet", onclick: () => this.#do(this.#vote(verdict, null)) }, words, keyHint(key)),
    );
    this.#fill(
      inputView(task.input, task.rung, SEEN[task.rung]),
      el("p", { role: "status" }, waiting ? `${waiting} more waiting. ` : "The last one waiting. ", el("span", { class: "hint" }, `${task.rung === "input" ? "" : `Here is ${SEEN[task.rung]}. `}${guess ? `The models' guess: ${guess}. ` : ""}Asked by ${task.model}.`)),
      ...this.#finder(buttons),
      el("div", { class: `labels${this.#labels.some((label) => label.length > 2) ? " words" : ""}`, role: "group", "aria-label": "labels" }, ...buttons),
      el("div", { class: "row" }, ...others, ...(this.#last ? [this.#undoButton()] : [])),
    );
  }

  /** Other contents; whoever's focus stood on what goes is put before the new, not at the top of the page. */
  #fill(...parts: Node[]): void {
    const inside = this.node.contains(document.activeElement);
    this.node.replaceChildren(...parts);
    if (inside) this.node.focus({ preventScroll: true });
  }

  /** A field that leaves only the labels with these letters; enter votes for the first, escape gives all back. */
  #finder(buttons: HTMLButtonElement[]): HTMLElement[] {
    this.#find = null;
    if (buttons.length <= MANY_LABELS) return [];
    const find = el("input", { type: "text", autocomplete: "off" });
    const filter = () => buttons.forEach((button, index) => (button.hidden = !this.#labels[index]!.toLowerCase().includes(find.value.trim().toLowerCase())));
    find.addEventListener("input", filter);
    find.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && find.value.trim()) buttons.find((button) => !button.hidden)?.click();
      else if (event.key === "Escape") {
        find.value = "";
        filter();
        find.blur();
      }
      event.stopPropagation(); // letters are no commands here
    });
    this.#find = find;
    return [el("p", { class: "row" }, el("label", {}, "Find a label ", el("kbd", {}, "/"), " ", find))];
  }

  #undoButton(): HTMLElement {
    return el("button", { type: "button", class: "quiet", onclick: () => this.#do(this.#undo()) }, "Undo the last", keyHint("u"));
  }

  /** Move the focus over the labels; enter or space then votes, as on any button. */
  #walk(step: number): void {
    const buttons = [...this.node.querySelectorAll<HTMLButtonElement>("button.label:not([hidden])")];
    if (!buttons.length) return;
    const here = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const next = here < 0 ? (step > 0 ? 0 : buttons.length - 1) : (here + step + buttons.length) % buttons.length;
    buttons[next]!.focus();
  }

  #message(text: string): void {
    this.#task = this.#find = null;
    if (this.node.querySelector("[role=status]")?.textContent === text) return; // said once, and the focus stays
    this.#fill(el("p", { role: "status", class: "hint" }, text), ...(this.#last ? [el("div", { class: "row" }, this.#undoButton())] : []));
  }

  /** Take the last vote back and show its task again; the answer that went home is followed by a better one. */
  async #undo(): Promise<void> {
    if (!this.#last) return;
    const { task, counted } = this.#last;
    clearTimeout(this.#timer);
    this.#task = this.#last = null;
    try {
      const { waiting } = await this.#post(task, "undo", {}).then(() => callNode<{ waiting: number }>(`${this.#api}desk/next?annotator=${encodeURIComponent(this.#annotator)}`));
      this.#task = task;
      this.#show(task, Math.max(0, waiting - 1));
      this.#tell(counted, -1);
    } catch (error) {
      this.#message(sentence(toProblem(error)));
      this.#timer = setTimeout(() => this.#do(this.next()), IDLE_MS);
    }
  }

  #post(task: DeskTask, verb: "vote" | "undo", body: Record<string, unknown>): Promise<unknown> {
    return callNode(`${this.#api}desk/${encodeURIComponent(task.task)}/${verb}`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ annotator: this.#annotator, ...body }),
    });
  }

  async #vote(verdict: string, label_index: number | null): Promise<void> {
    const task = this.#task;
    if (!task) return;
    this.#task = null;
    const counted = verdict === "skip" ? "skipped" : "answered";
    const seconds = (performance.now() - this.#shown_ms) / 1000;
    try {
      await this.#post(task, "vote", { label_index, verdict, seconds });
      this.#last = { task, counted };
    } catch (error) {
      this.#message(sentence(toProblem(error)));
      this.#timer = setTimeout(() => this.#do(this.next()), IDLE_MS);
      return;
    }
    await this.next();
    this.#tell(counted, 1); // when the next can be answered
  }

  #tell(counted: "answered" | "skipped", more: number): void {
    this.#counts[counted] += more;
    this.onvote?.(this.#counts.answered, this.#counts.skipped);
  }
}

/** For the eye: a button's name is what it does, and the keys are told below the desk. */
const keyHint = (key: string) => el("kbd", { "aria-hidden": "true" }, key);

/** Who sits here: kept in this browser, so that votes of one person are known as one person's. */
export function annotatorName(): string {
  const asked = new URLSearchParams(location.search).get("annotator");
  try {
    const name = asked ?? localStorage.getItem("py-edge:annotator") ?? `person-${Math.random().toString(36).slice(2, 8)}`;
    localStorage.setItem("py-edge:annotator", name);
    return name;
  } catch {
    return asked ?? "person";
  }
}
