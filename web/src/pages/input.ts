// A question's input for the eye, by its shape: a picture, grey or in colours, else its numbers as a table, a row per step.
// The rule of what is a picture is the node's own (py_edge/desk/label_studio.py: plane_of).
import type { WireTensor } from "../protocol.ts";
import { decodeTensor } from "../wire.ts";
import { el } from "./dom.ts";

const LEAST_SIDE = 8; // fewer rows or columns are measurements, not pixels
const MOST_ROWS = 64;
const MOST_COLUMNS = 16;

interface Plane { height: number; width: number; channels: number }

/** Height, width and colours, or null for what is no picture: a batch of one, channels last; a flat square counts as grey. */
export function planeOf(tensor: WireTensor, rung = "input"): Plane | null {
  const sizes = tensor.shape.slice(tensor.shape.length > 1 && tensor.shape[0] === 1 ? 1 : 0);
  const side = Math.sqrt(sizes[0] ?? 0);
  const [height, width, channels = 1] = sizes.length === 1 && Number.isInteger(side) ? [side, side] : sizes;
  const fits = rung !== "features" && sizes.length <= 3 && [1, 3, 4].includes(channels) && Math.min(height ?? 0, width ?? 0) >= LEAST_SIDE;
  return fits ? { height: height!, width: width!, channels } : null;
}

/** What the person judges, with `name` for those who do not see it. */
export function inputView(tensor: WireTensor, rung: string, name: string): HTMLElement {
  const plane = planeOf(tensor, rung);
  return plane ? pictureOf(decodeTensor(tensor), plane, name) : tableOf(decodeTensor(tensor), tensor.shape, name);
}

function pictureOf(values: ArrayLike<number>, { height, width, channels }: Plane, name: string): HTMLCanvasElement {
  const canvas = el("canvas", { class: "digit large", role: "img", "aria-label": name, width, height });
  const context = canvas.getContext("2d")!;
  const pixels = context.createImageData(width, height);
  const [low, high] = rangeOf(values);
  const level = (at: number) => (255 * (values[at]! - low)) / (high - low || 1);
  for (let i = 0; i < width * height; i++) {
    const [red, green, blue] = channels === 1 ? [i, i, i] : [i * channels, i * channels + 1, i * channels + 2];
    pixels.data.set([level(red!), level(green!), level(blue!), channels === 4 ? level(i * channels + 3) : 255], i * 4);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** What is black and what is white: 0 and 1, -1 and 1, else the least and the greatest value there is. */
function rangeOf(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) [low, high] = [Math.min(low, values[i]!), Math.max(high, values[i]!)];
  return high > 1 || low < -1 ? [low, high] : [low < 0 ? -1 : 0, 1];
}

/** The last axis are the columns; a single row is shown as a column, each value beside its place. */
function tableOf(values: Float32Array, shape: number[], name: string): HTMLElement {
  const columns = shape.length > 1 && shape.slice(1, -1).some((size) => size > 1) ? shape.at(-1)! : 1;
  const rows = Math.ceil(values.length / columns);
  const [shownRows, shownColumns] = [Math.min(rows, MOST_ROWS), Math.min(columns, MOST_COLUMNS)];
  const heads = Array.from({ length: shownColumns }, (_, i) => (columns === 1 ? "value" : String(i)));
  const body = Array.from({ length: shownRows }, (_, row) =>
    el("tr", {}, el("th", { scope: "row" }, String(row)), ...heads.map((_, i) => el("td", {}, written(values[row * columns + i]!)))));
  const rest = values.length - shownRows * shownColumns;
  return el("div", { class: "values" },
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, el("table", {},
      el("thead", {}, el("tr", {}, el("td"), ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...body))),
    ...(rest ? [el("p", { class: "hint" }, `${rest} more values are not shown.`)] : []));
}

const written = (value: number) => (Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4))));
