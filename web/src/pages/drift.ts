// The pictures of the stream: handwritten digits, each time a little different, and what may become of all of them.
import { makeRandom } from "./points.ts";
import { SAMPLES } from "./samples.ts";

const SIDE = 8;
export const PIXELS = SIDE * SIDE;

export interface Seen {
  image: Float32Array;
  label: number;
}

const at = (image: Float32Array, row: number, column: number) => (row < 0 || column < 0 || row >= SIDE || column >= SIDE ? 0 : image[row * SIDE + column]!);
const redraw = (of: (row: number, column: number) => number) => Float32Array.from({ length: PIXELS }, (_, i) => of(Math.floor(i / SIDE), i % SIDE));

/** What the world does to every picture from a known moment on. */
export const DRIFTS: Record<string, (image: Float32Array) => Float32Array> = {
  turn: (image) => redraw((row, column) => at(image, SIDE - 1 - column, row)),
  blur: (image) => redraw((row, column) => [-1, 0, 1].reduce((sum, dy) => sum + [-1, 0, 1].reduce((line, dx) => line + at(image, row + dy, column + dx), 0), 0) / 18),
  invert: (image) => image.map((value) => 1 - value),
};

/** Endless pictures, the same for the same seed: a digit moved by up to a pixel, its ink weighed, with noise. */
export function makeStream(seed: number): (drift?: string) => Seen {
  const random = makeRandom(seed);
  for (let i = 0; i < 5; i++) random();
  return (drift) => {
    const { digit, image } = SAMPLES[Math.floor(random() * SAMPLES.length)]!;
    const [move, ink] = [Math.floor(random() * 3) - 1, 0.75 + random() * 0.25];
    const seen = redraw((row, column) => Math.min(1, Math.max(0, at(image, row, column + move) * ink + (random() - 0.5) * 0.2)));
    return { image: drift ? DRIFTS[drift]!(seen) : seen, label: digit };
  };
}
