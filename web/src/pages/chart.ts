// Lines over rounds, drawn as SVG: a legend in words, a text summary for those who cannot see it, and the data itself.
import { el, followWidth, percent, svg } from "./dom.ts";

export interface Series {
  name: string;
  kind: "device" | "site" | "cloud" | "person" | "accuracy";
  values: number[];
}

/** As wide as there is room, within this: the letters keep their size on a phone. */
const [LEAST, MOST] = [240, 480];
const HEIGHT = 200;
const LEFT = 46;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 26;
const ROOM = 18; // of a mark and its tick on the way to the right
const MARKS = ["circle", "square", "triangle", "diamond"] as const;

/** Shares (0..1) of each series over 1, 2, 3, … `unit`s. */
export class ShareChart {
  readonly node: HTMLElement;
  readonly #plot = svg("svg", { class: "chart", role: "img" });
  #series: Series[] = [];
  #width = MOST;
  readonly #legend = el("ul", { class: "legend" });
  readonly #summary = el("p", { class: "hint" });
  readonly #table = el("table");
  readonly #unit: string;
  readonly #none: string;
  readonly #data: HTMLElement;

  /** none: what stands in place of an empty picture. */
  constructor(unit: string, none = `Nothing yet: the first ${unit} draws the first points.`) {
    [this.#unit, this.#none] = [unit, none];
    this.#data = el("details", {}, el("summary", {}, "Data"), el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "the chart's data" }, this.#table));
    this.node = el("div", {}, this.#summary);
    this.draw([]);
    followWidth(this.#plot, [LEAST, MOST], (width) => {
      this.#width = width;
      this.draw(this.#series);
    });
  }

  draw(series: Series[]): void {
    this.#series = series;
    const width = this.#width;
    this.#plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const count = Math.max(0, ...series.map((one) => one.values.length));
    const x = (i: number) => LEFT + (count < 2 ? 0 : (i * (width - LEFT - RIGHT)) / (count - 1));
    const y = (share: number) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
    const parts: SVGElement[] = [];
    for (const share of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(share), y2: y(share), class: "grid" }));
      parts.push(svg("text", { x: LEFT - 6, y: y(share) + 4, class: "tick end" }, percent(share)));
    }
    const step = Math.ceil((count * ROOM) / (width - LEFT - RIGHT));
    for (let i = 0; i < count; i += step) parts.push(svg("text", { x: x(i), y: HEIGHT - 8, class: "tick middle" }, String(i + 1)));
    series.forEach(({ kind, values }, index) => {
      parts.push(svg("polyline", { points: values.map((value, i) => `${x(i)},${y(value)}`).join(" "), class: `line ${kind}` }));
      values.forEach((value, i) => i % step || parts.push(mark(MARKS[index % MARKS.length]!, x(i), y(value), kind)));
    });
    this.#plot.replaceChildren(...parts);
    if (Boolean(count) !== Boolean(this.#plot.parentNode)) this.node.replaceChildren(...(count ? [this.#plot, this.#legend, this.#summary, this.#data] : [this.#summary]));
    this.#legend.replaceChildren(...series.map(({ name, kind }, index) => el("li", { class: kind }, legendMark(MARKS[index % MARKS.length]!, kind), name)));
    const words = series.filter((one) => one.values.length).map(({ name, values }) => `${name} from ${percent(values[0]!)} to ${percent(values.at(-1)!)}`);
    this.#summary.textContent = words.length ? `After ${count} ${this.#unit}s: ${words.join("; ")}.` : this.#none;
    this.#plot.setAttribute("aria-label", this.#summary.textContent);
    const head = el("tr", {}, el("th", { scope: "col" }, this.#unit), ...series.map(({ name }) => el("th", { scope: "col" }, name)));
    const rows = Array.from({ length: count }, (_, i) => el("tr", {}, el("th", { scope: "row" }, String(i + 1)), ...series.map(({ values }) => el("td", {}, values[i]?.toFixed(3) ?? ""))));
    this.#table.replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows));
  }
}

function mark(shape: (typeof MARKS)[number], x: number, y: number, kind: string): SVGElement {
  const points = { square: "-3,-3 3,-3 3,3 -3,3", triangle: "0,-4 4,3 -4,3", diamond: "0,-4 4,0 0,4 -4,0", circle: "" }[shape];
  if (!points) return svg("circle", { cx: x, cy: y, r: 3.2, class: `mark ${kind}` });
  return svg("polygon", { points, transform: `translate(${x} ${y})`, class: `mark ${kind}` });
}

function legendMark(shape: (typeof MARKS)[number], kind: string): SVGElement {
  return svg("svg", { viewBox: "-6 -6 12 12", class: "key", "aria-hidden": "true" }, mark(shape, 0, 0, kind));
}
