// The river of questions: four streams over the last minutes, each as wide as what flowed; in words and as data too.
import { type Status, count, dataTable, sum } from "./board.ts";
import { el, followWidth, svg } from "./dom.ts";

const STEP_S = 10;
const STEPS = 30;
const [LEAST, MOST, LANE, LEFT] = [280, 480, 46, 160];
const STREAMS = [
  { name: "from children", kind: "cloud" },
  { name: "answered here", kind: "site" },
  { name: "went up", kind: "person" },
  { name: "came home", kind: "device" },
] as const;
const NOTHING = "Nothing yet: the node has not said how it is.";
const PENDING = ["unresolved", "queued", "working"];

/** All that ever flowed in each stream; up is to the parent, or to people where there is none. */
export function flowed(status: Status): number[] {
  const level = count(status["level"]);
  const tiers = Object.entries((status["answered_by_tier"] ?? {}) as Record<string, number>);
  const answered = (above: boolean) => tiers.reduce((all, [tier, n]) => all + (Number(tier) > level === above ? n : 0), 0);
  const states = (status["questions"] ?? {}) as Record<string, number>;
  const away = PENDING.reduce((all, state) => all + count(states[state]), 0) - count(status["outbox"]);
  return [sum(status["asked_by_child"]), answered(false), answered(true) + Math.max(0, away), answered(true)];
}

export class River {
  readonly node: HTMLElement;
  readonly #plot = svg("svg", { class: "chart", role: "img", "aria-label": NOTHING });
  readonly #summary = el("p", { class: "hint" }, NOTHING);
  readonly #rows = el("tbody");
  #last: number[] | null = null;
  #flows = new Map<number, number[]>();
  #width = MOST;

  constructor() {
    this.node = el("div", {}, this.#plot, this.#summary, dataTable("river", ["time", ...STREAMS.map(({ name }) => name)], this.#rows));
    followWidth(this.#plot, [LEAST, MOST], (width) => {
      this.#width = width;
      if (this.#last) this.#draw(Math.max(...this.#flows.keys()), this.#last);
    });
  }

  /** A new status: what came since the last one flows in the present ten seconds. */
  take(status: Status): void {
    const now = Math.floor(count(status["now_ms"]) / 1000 / STEP_S);
    const all = flowed(status);
    const flow = this.#flows.get(now) ?? STREAMS.map(() => 0);
    this.#flows.set(now, flow.map((before, i) => before + Math.max(0, all[i]! - (this.#last ?? all)[i]!)));
    this.#last = all;
    for (const step of this.#flows.keys()) if (step <= now - STEPS) this.#flows.delete(step);
    this.#draw(now, all);
  }

  #draw(now: number, all: number[]): void {
    const steps = Array.from({ length: STEPS }, (_, i) => now - STEPS + 1 + i);
    const lanes = STREAMS.map((_, stream) => steps.map((step) => this.#flows.get(step)?.[stream] ?? 0));
    const most = Math.max(1, ...lanes.flat());
    this.#plot.replaceChildren(...STREAMS.flatMap(({ name, kind }, i) => lane(name, kind, lanes[i]!, i, most, this.#width)), ...axis(this.#width));
    this.#plot.setAttribute("viewBox", `0 0 ${this.#width} ${LANE * STREAMS.length + 22}`);
    const words = STREAMS.map(({ name }, i) => `${name} ${lanes[i]!.reduce((a, b) => a + b)} (${all[i]!} ever)`);
    this.#summary.textContent = `Last ${(STEP_S * STEPS) / 60} minutes, as seen by this page: ${words.join(", ")}.`;
    this.#plot.setAttribute("aria-label", this.#summary.textContent);
    const seen = steps.filter((step) => this.#flows.has(step)).reverse();
    this.#rows.replaceChildren(...seen.map((step) => row(step, this.#flows.get(step)!)));
  }
}

function lane(name: string, kind: string, values: number[], index: number, most: number, width: number): SVGElement[] {
  const middle = LANE * (index + 0.5);
  const x = (i: number) => LEFT + (i * (width - LEFT - 8)) / (STEPS - 1);
  const half = (value: number) => 0.75 + (value / most) * (LANE / 2 - 5);
  const above = values.map((value, i) => `${x(i)},${middle - half(value)}`);
  const below = values.map((value, i) => `${x(i)},${middle + half(value)}`).reverse();
  const flowing = values.reduce((a, b) => a + b);
  return [
    svg("polygon", { points: [...above, ...below].join(" "), class: `mark ${kind}` }),
    svg("text", { x: LEFT - 10, y: middle + 4, class: "tick end" }, `${name}: ${flowing}`),
  ];
}

function axis(width: number): SVGElement[] {
  const y = LANE * STREAMS.length + 14;
  return [svg("text", { x: LEFT, y, class: "tick" }, `${(STEP_S * STEPS) / 60} min ago`), svg("text", { x: width - 8, y, class: "tick end" }, "now")];
}

function row(step: number, flow: number[]): HTMLElement {
  const time = new Date(step * STEP_S * 1000).toLocaleTimeString();
  return el("tr", {}, el("th", { scope: "row" }, time), ...flow.map((n) => el("td", {}, String(n))));
}
