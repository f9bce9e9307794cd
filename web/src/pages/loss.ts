// The loss of the fine-tune that runs, as a line: it grows while the tab learns and ends with one point per epoch.
import type { Learning } from "../protocol.ts";
import { dataTable } from "./board.ts";
import { el, svg, followWidth } from "./dom.ts";

const [LEAST, MOST] = [240, 480];
const HEIGHT = 120;
const LEFT = 46;
const EDGE = 8;
const BOTTOM = 22;

export class LossChart {
  readonly #plot = svg("svg", { class: "chart", role: "img" });
  readonly #summary = el("p", { class: "hint" });
  readonly #rows = el("tbody");
  readonly node = el("div", { hidden: true }, this.#plot, this.#summary, dataTable("loss", ["epoch", "loss"], this.#rows));
  #points: [epoch: number, loss: number][] = [];
  #epochs = 1;
  #whole = false;
  #width = MOST;

  constructor() {
    followWidth(this.#plot, [LEAST, MOST], (width) => {
      this.#width = width;
      this.#draw();
    });
  }

  /** One more point; a fit that begins anew clears the line. */
  add({ epoch, epochs, step, steps, loss }: Learning): void {
    const at = epoch + (step + 1) / steps;
    if (this.#whole || at <= (this.#points.at(-1)?.[0] ?? 0)) this.#points = [];
    this.#whole = false;
    this.#points.push([at, loss]);
    this.#epochs = epochs;
    this.#draw();
  }

  /** The whole fit: the mean loss of each epoch. */
  finish(losses: number[]): void {
    this.#points = losses.map((loss, epoch) => [epoch + 1, loss]);
    [this.#epochs, this.#whole] = [losses.length, true];
    this.#rows.replaceChildren(...losses.map((loss, epoch) => el("tr", {}, el("th", { scope: "row" }, String(epoch + 1)), el("td", {}, loss.toFixed(4)))));
    this.#draw();
  }

  #draw(): void {
    const [width, epochs] = [this.#width, this.#epochs];
    const top = Math.max(...this.#points.map(([, loss]) => loss), 1e-6);
    const x = (at: number) => LEFT + (at / epochs) * (width - LEFT - EDGE);
    const y = (loss: number) => EDGE + (1 - loss / top) * (HEIGHT - EDGE - BOTTOM);
    const parts: SVGElement[] = [];
    for (const loss of [0, top]) {
      parts.push(svg("line", { x1: LEFT, x2: width - EDGE, y1: y(loss), y2: y(loss), class: "grid" }));
      parts.push(svg("text", { x: LEFT - 6, y: y(loss) + 4, class: "tick end" }, loss.toFixed(2)));
    }
    parts.push(svg("text", { x: LEFT, y: HEIGHT - 6, class: "tick" }, "loss"));
    parts.push(svg("text", { x: width - EDGE, y: HEIGHT - 6, class: "tick end" }, `epoch ${epochs}`));
    parts.push(svg("polyline", { points: this.#points.map(([at, loss]) => `${x(at)},${y(loss)}`).join(" "), class: "line device" }));
    this.#plot.replaceChildren(...parts);
    this.#plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const first = this.#points[0]?.[1] ?? 0;
    const last = this.#points.at(-1)?.[1] ?? 0;
    this.#summary.textContent = `Loss from ${first.toFixed(2)} to ${last.toFixed(2)}.`;
    this.#plot.setAttribute("aria-label", this.#summary.textContent);
    this.node.hidden = false;
  }
}
