// Tiles of 16 x 16 grey values 0..1: drawn by code as samples, read from image files, moved about for training.
import { fromPixels } from "../pixels.ts";
import { makeRandom } from "./points.ts";

export const SIDE = 16;
export const PIXELS = SIDE * SIDE;
export type Tile = Float32Array<ArrayBuffer>;

type Shape = (x: number, y: number, size: number) => boolean;

/** The sample shapes by name; x and y from the shape's middle, size its half width, all in pixels. */
const SHAPES: Record<string, Shape> = {
  ring: (x, y, size) => Math.abs(Math.hypot(x, y) - size) < 1.1,
  cross: (x, y, size) => Math.max(Math.abs(x), Math.abs(y)) < size + 1 && Math.min(Math.abs(x), Math.abs(y)) < 1.1,
  stripes: (_x, y, size) => (((y % size) + size) % size) < size / 2,
  box: (x, y, size) => Math.abs(Math.max(Math.abs(x), Math.abs(y)) - size) < 1,
};
export const SAMPLE_NAMES = Object.keys(SHAPES);

/** `count` tiles of one shape at changing places and sizes, with some noise; the same for the same seed. */
export function sampleTiles(name: string, count: number, seed: number): Tile[] {
  const random = makeRandom(seed);
  for (let i = 0; i < 5; i++) random();
  return Array.from({ length: count }, () => {
    const [cx, cy, size] = [7.5 + (random() - 0.5) * 3, 7.5 + (random() - 0.5) * 3, 4 + random() * 1.5];
    return Float32Array.from({ length: PIXELS }, (_, i) => (SHAPES[name]!((i % SIDE) - cx, Math.floor(i / SIDE) - cy, size) ? 0.85 : 0.1) + (random() - 0.5) * 0.2);
  });
}

/** An image file, or what the camera sees now, as a tile: its middle square, small and grey. Throws if the browser cannot read it. */
export const readTile = (source: ImageBitmapSource): Promise<Tile> => fromPixels(source, [SIDE, SIDE, 1]);

/** The same as Teachable Machine's nets take it: its middle square, -1..1, colours last. */
export const readPicture = (source: ImageBitmapSource, side: number, channels: number): Promise<Tile> => fromPixels(source, [side, side, channels], { range: [-1, 1] });

/** The tile moved by whole pixels; what comes in from outside is the nearest edge. */
export function moved(tile: Tile, dx: number, dy: number): Tile {
  const inside = (at: number) => Math.max(0, Math.min(SIDE - 1, at));
  return Float32Array.from({ length: PIXELS }, (_, i) => tile[inside(Math.floor(i / SIDE) - dy) * SIDE + inside((i % SIDE) - dx)]!);
}

export function paintTile(canvas: HTMLCanvasElement, tile: Tile): void {
  canvas.width = canvas.height = SIDE;
  const bytes = new Uint8ClampedArray(4 * PIXELS);
  tile.forEach((value, i) => bytes.set([255 * value, 255 * value, 255 * value, 255], 4 * i));
  canvas.getContext("2d")!.putImageData(new ImageData(bytes, SIDE), 0, 0);
}
