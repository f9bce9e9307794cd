// Digits of 8×8 as the data set makes them: a 32×32 bitmap, set pixels counted in blocks of 4×4, 0 to 16, here 0 to 1.
import { el } from "./dom.ts";

const SIDE = 8;
const FINE = 32;
const INK_RADIUS = 1.6;

/** Paint an image of `side`×`side` values 0..1 into a canvas; the picture follows the page's colours. */
export function paint(canvas: HTMLCanvasElement, image: ArrayLike<number>): void {
  const side = Math.round(Math.sqrt(image.length)) || SIDE;
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d")!;
  const pixels = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const level = 255 * Math.min(1, Math.max(0, image[i] ?? 0));
    pixels.data.set([level, level, level, 255], i * 4);
  }
  context.putImageData(pixels, 0, 0);
}

export function picture(image: ArrayLike<number>, name: string, kind = "thumb"): HTMLCanvasElement {
  const canvas = el("canvas", { class: `digit ${kind}`, role: "img", "aria-label": name });
  paint(canvas, image);
  return canvas;
}

/** A pad to draw on with mouse, finger or pen; with the keyboard, arrows move and space inks. */
export class Pad {
  readonly canvas: HTMLCanvasElement;
  readonly #ink = new Uint8Array(FINE * FINE);
  readonly #onstroke: (image: Float32Array) => void;
  #last: [number, number] | null = null;
  #cursor: [number, number] = [FINE / 2, FINE / 2];
  #pen = false;

  constructor(canvas: HTMLCanvasElement, onstroke: (image: Float32Array) => void) {
    this.canvas = canvas;
    this.#onstroke = onstroke;
    canvas.tabIndex = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#last = null;
      this.#move(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && this.#move(event));
    canvas.addEventListener("pointerup", () => this.#onstroke(this.image()));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    this.clear();
  }

  clear(): void {
    this.#ink.fill(0);
    this.#last = null;
    this.#repaint();
  }

  get empty(): boolean {
    return !this.#ink.some(Boolean);
  }

  /** What is drawn, as 64 values 0..1. */
  image(): Float32Array {
    const image = new Float32Array(SIDE * SIDE);
    this.#ink.forEach((on, i) => {
      const row = Math.floor(i / FINE / 4), column = Math.floor((i % FINE) / 4);
      image[row * SIDE + column]! += on / 16;
    });
    return image;
  }

  #move(event: PointerEvent): void {
    const box = this.canvas.getBoundingClientRect();
    const at: [number, number] = [((event.clientX - box.left) / box.width) * FINE, ((event.clientY - box.top) / box.height) * FINE];
    const from = this.#last ?? at;
    const steps = Math.ceil(Math.hypot(at[0] - from[0], at[1] - from[1])) || 1;
    for (let i = 0; i <= steps; i++) this.#dot(from[0] + ((at[0] - from[0]) * i) / steps, from[1] + ((at[1] - from[1]) * i) / steps);
    this.#last = at;
    this.#repaint();
  }

  #key(event: KeyboardEvent): void {
    const step = { ArrowLeft: [-2, 0], ArrowRight: [2, 0], ArrowUp: [0, -2], ArrowDown: [0, 2] }[event.key];
    if (event.key === " ") this.#pen = !this.#pen;
    else if (step) this.#cursor = [Math.min(31, Math.max(0, this.#cursor[0] + step[0]!)), Math.min(31, Math.max(0, this.#cursor[1] + step[1]!))];
    else if (event.key === "Enter") this.#onstroke(this.image());
    else return;
    event.preventDefault();
    if (this.#pen) this.#dot(...this.#cursor);
    this.#repaint();
  }

  #dot(x: number, y: number): void {
    for (let row = 0; row < FINE; row++)
      for (let column = 0; column < FINE; column++)
        if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= INK_RADIUS) this.#ink[row * FINE + column] = 1;
  }

  #repaint(): void {
    paint(this.canvas, this.#ink);
  }
}
