// The loss of the training that runs, as a line, and beside it how many of the examples are told right, where that is
// known: it grows while the tab learns, and what it shows stands below it in words and in a table.
import type { Learning } from "../protocol.ts";
import { dataTable } from "./board.ts";
import { el, percent, svg, followWidth } from "./dom.ts";

interface Point {
  at: number;
  loss: number;
  /** NaN where it is not known. */
  accuracy: number;
}

const [LEAST, MOST] = [240, 480];
const HEIGHT = 120;
const LEFT = 46;
const EDGE = 8;
const RIGHT = 46;
const BOTTOM = 22;

export class LossChart {
  readonly #plot = svg("svg", { class: "chart", role: "img" });
  readonly #summary = el("p", { class: "hint" });
  readonly #rows = el("tbody");
  readonly node = el("div", { hidden: true }, this.#plot, this.#summary, dataTable("loss", ["epoch", "loss"], this.#rows));
  #points: Point[] = [];
  #epochs = 1;
  #whole = false;
  #width = MOST;

  constructor() {
    followWidth(this.#plot, [LEAST, MOST], (width) => {
      this.#width = width;
      this.#draw();
    });
  }

  /** One more point; a fit that begins anew clears the line. accuracy: share of the examples told right, 0..1. */
  add({ epoch, epochs, step, steps, loss }: Learning, accuracy = NaN): void {
    const at = epoch + (step + 1) / steps;
    if (this.#whole || at <= (this.#points.at(-1)?.at ?? 0)) this.#points = [];
    this.#whole = false;
    this.#points.push({ at, loss, accuracy });
    this.#epochs = epochs;
    this.#draw();
  }

  /** The whole fit: the mean loss of each epoch, or the points as they came. */
  finish(losses?: number[]): void {
    if (losses) this.#points = losses.map((loss, epoch) => ({ at: epoch + 1, loss, accuracy: NaN }));
    if (losses) this.#epochs = losses.length;
    this.#whole = true;
    this.#rows.replaceChildren(...this.#points.map(({ at, loss }) => el("tr", {}, el("th", { scope: "row" }, String(at)), el("td", {}, loss.toFixed(4)))));
    this.#draw();
  }

  #draw(): void {
    const [width, epochs, points] = [this.#width, this.#epochs, this.#points];
    const told = points.filter(({ accuracy }) => !Number.isNaN(accuracy));
    const right = width - (told.length ? RIGHT : EDGE);
    const top = Math.max(...points.map(({ loss }) => loss), 1e-6);
    const x = (at: number) => LEFT + (at / epochs) * (right - LEFT);
    const y = (share: number) => EDGE + (1 - share) * (HEIGHT - EDGE - BOTTOM);
    const line = (kind: string, place: (point: Point) => number, of: Point[]) => svg("polyline", { points: of.map((point) => `${x(point.at)},${y(place(point))}`).join(" "), class: `line ${kind}` });
    const parts: SVGElement[] = [];
    for (const share of [0, 1]) {
      parts.push(svg("line", { x1: LEFT, x2: right, y1: y(share), y2: y(share), class: "grid" }));
      parts.push(svg("text", { x: LEFT - 6, y: y(share) + 4, class: "tick end" }, (share * top).toFixed(2)));
      if (told.length) parts.push(svg("text", { x: right + 6, y: y(share) + 4, class: "tick" }, percent(share)));
    }
    parts.push(svg("text", { x: LEFT, y: HEIGHT - 6, class: "tick of device" }, "loss"));
    parts.push(svg("text", { x: (LEFT + right) / 2, y: HEIGHT - 6, class: "tick middle" }, `${epochs} epochs`));
    if (told.length) parts.push(svg("text", { x: right, y: HEIGHT - 6, class: "tick end of accuracy" }, "told right"), line("accuracy", ({ accuracy }) => accuracy, told));
    parts.push(line("device", ({ loss }) => loss / top, points));
    this.#plot.replaceChildren(...parts);
    this.#plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const first = points[0]?.loss ?? 0;
    const last = points.at(-1)?.loss ?? 0;
    this.#summary.textContent = `Loss from ${first.toFixed(2)} to ${last.toFixed(2)}${told.length ? `; told right from ${percent(told[0]!.accuracy)} to ${percent(told.at(-1)!.accuracy)}` : ""}.`;
    this.#plot.setAttribute("aria-label", this.#summary.textContent);
    this.node.hidden = false;
  }
}
