// The loss of the fine-tune that runs, as a line: it grows while the tab learns and ends with one point per epoch.
import type { Learning } from "../protocol.ts";
import { el, svg } from "./dom.ts";

const WIDTH = 480;
const HEIGHT = 120;
const LEFT = 46;
const EDGE = 8;
const BOTTOM = 22;

export class LossChart {
  readonly #plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img" });
  readonly node = el("div", { hidden: true }, this.#plot);
  #points: [epoch: number, loss: number][] = [];

  /** One more point; a fit that begins anew clears the line. */
  add({ epoch, epochs, step, steps, loss }: Learning): void {
    const at = epoch + (step + 1) / steps;
    if (at <= (this.#points.at(-1)?.[0] ?? 0)) this.#points = [];
    this.#points.push([at, loss]);
    this.#draw(epochs);
  }

  /** The whole fit: the mean loss of each epoch. */
  finish(losses: number[]): void {
    this.#points = losses.map((loss, epoch) => [epoch + 1, loss]);
    this.#draw(losses.length);
    this.#points = [];
  }

  #draw(epochs: number): void {
    const top = Math.max(...this.#points.map(([, loss]) => loss), 1e-6);
    const x = (at: number) => LEFT + (at / epochs) * (WIDTH - LEFT - EDGE);
    const y = (loss: number) => EDGE + (1 - loss / top) * (HEIGHT - EDGE - BOTTOM);
    const parts: SVGElement[] = [];
    for (const loss of [0, top]) {
      parts.push(svg("line", { x1: LEFT, x2: WIDTH - EDGE, y1: y(loss), y2: y(loss), class: "grid" }));
      parts.push(svg("text", { x: LEFT - 6, y: y(loss) + 4, class: "tick end" }, loss.toFixed(2)));
    }
    parts.push(svg("text", { x: LEFT, y: HEIGHT - 6, class: "tick" }, "loss"));
    parts.push(svg("text", { x: WIDTH - EDGE, y: HEIGHT - 6, class: "tick end" }, `epoch ${epochs}`));
    parts.push(svg("polyline", { points: this.#points.map(([at, loss]) => `${x(at)},${y(loss)}`).join(" "), class: "line device" }));
    this.#plot.replaceChildren(...parts);
    const first = this.#points[0]?.[1] ?? 0;
    const last = this.#points.at(-1)?.[1] ?? 0;
    this.#plot.setAttribute("aria-label", `loss from ${first.toFixed(2)} to ${last.toFixed(2)}`);
    this.node.hidden = false;
  }
}
