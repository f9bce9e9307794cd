// Lines over time, drawn by uPlot: each line by colour and dash, moments as upright lines, a summary in words, the data.
import uPlot from "uplot";
import { el, svg } from "./dom.ts";

export interface Line {
  name: string;
  kind: "device" | "site" | "cloud" | "person" | "accuracy";
}

export interface Moment {
  at: number;
  name: string;
}

const HEIGHT = 240;
const ABOVE = 26; // room for the names of moments, off the lines
const DASHES = [[], [6, 4], [2, 3]];

export class TimeChart {
  readonly node: HTMLElement;
  readonly #lines: Line[];
  readonly #unit: string;
  readonly #say: (value: number) => string;
  readonly #most: number | null;
  readonly #plot = el("div", { class: "time", role: "img" });
  readonly #table = el("table");
  #chart: uPlot | null = null;
  #data: number[][];
  #moments: Moment[] = [];

  /** unit: of the axis of time; say: a value in words; most: the top of the axis of values, null where the data sets it. */
  constructor(lines: Line[], unit: string, say: (value: number) => string, most: number | null) {
    [this.#lines, this.#unit, this.#say, this.#most] = [lines, unit, say, most];
    this.#data = [[], ...lines.map(() => [])];
    const legend = el("ul", { class: "legend" }, ...lines.map(({ name, kind }, i) => el("li", { class: kind }, key(i), name)));
    const data = el("details", {}, el("summary", {}, "Data"), el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "the chart's data" }, this.#table));
    this.node = el("div", {}, this.#plot, legend, data);
    new ResizeObserver(() => this.#chart?.setSize({ width: this.#plot.clientWidth, height: HEIGHT })).observe(this.#plot);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#build());
    data.addEventListener("toggle", () => this.#fill(data.open));
    this.draw([], [], "Nothing yet.");
  }

  /** times, then one row of values per line; moments are marked; summary says it all in words. */
  draw(times: number[], values: number[][], summary: string, moments: Moment[] = []): void {
    this.#data = [times, ...this.#lines.map((_, i) => values[i] ?? [])];
    this.#moments = moments;
    this.#plot.setAttribute("aria-label", summary);
    if (this.#chart) this.#chart.setData(this.#data as uPlot.AlignedData);
    else requestAnimationFrame(() => this.#build());
    this.#fill(this.#table.closest("details")!.open);
  }

  #build(): void {
    const style = getComputedStyle(this.#plot);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const axis: uPlot.Axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
    this.#chart?.destroy();
    this.#chart = new uPlot(
      {
        width: this.#plot.clientWidth || 320, height: HEIGHT, padding: [ABOVE, null, null, null], legend: { show: false }, cursor: { show: false },
        scales: { x: { time: false }, y: { range: (_, _low, high) => [0, this.#most ?? Math.max(10, high * 1.1)] } },
        axes: [{ ...axis, label: this.#unit, size: 32, labelSize: 20, labelGap: 0 }, { ...axis, size: 64, values: (_, ticks) => ticks.map(this.#say) }],
        series: [{}, ...this.#lines.map(({ kind }, i) => ({ stroke: colour(kind), width: 2.5, dash: DASHES[i % DASHES.length]!, points: { show: false } }))],
        hooks: { draw: [(chart) => this.#mark(chart, colour("ink"))] },
      },
      this.#data as uPlot.AlignedData,
      this.#plot,
    );
  }

  #mark(chart: uPlot, ink: string): void {
    const { ctx: pen, bbox } = chart;
    pen.save();
    pen.strokeStyle = pen.fillStyle = ink;
    pen.setLineDash([]);
    pen.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    const at = this.#moments.map((moment) => chart.valToPos(moment.at, "x", true));
    for (const x of at) {
      pen.beginPath();
      pen.moveTo(x, bbox.top - 6 * devicePixelRatio);
      pen.lineTo(x, bbox.top + bbox.height);
      pen.stroke();
    }
    this.#moments.forEach(({ name }, i) => {
      pen.textAlign = i ? "left" : "right"; // two moments may be close: away from each other
      pen.fillText(name, at[i]! + (i ? 4 : -4) * devicePixelRatio, bbox.top - 6 * devicePixelRatio);
    });
    pen.restore();
  }

  #fill(shown: boolean): void {
    if (!shown) return;
    const head = el("tr", {}, el("th", { scope: "col" }, this.#unit), ...this.#lines.map(({ name }) => el("th", { scope: "col" }, name)));
    const rows = this.#data[0]!.map((time, row) => el("tr", {}, el("th", { scope: "row" }, String(time)), ...this.#lines.map((_, i) => el("td", {}, this.#say(this.#data[i + 1]![row]!)))));
    this.#table.replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows));
  }
}

function key(index: number): SVGElement {
  const line = svg("line", { x1: -12, x2: 12, y1: 0, y2: 0, class: "line", "stroke-dasharray": DASHES[index % DASHES.length]!.join(" ") });
  return svg("svg", { viewBox: "-12 -6 24 12", class: "key stroke", "aria-hidden": "true" }, line);
}
