// A picture as a model's input: an <img>, a <video>'s or the camera's frame, a canvas, a file; cut, scaled, channels last.
import { EdgeError, toProblem } from "./problem.ts";

export interface PixelOptions {
  /** What black and white become: [0, 1] by default, [-1, 1] for MobileNets, [0, 255] where the model rescales itself. */
  range?: readonly [number, number];
  /** "cover" (by default): the middle, in the model's proportions; "fill": the whole picture, stretched. */
  fit?: "cover" | "fill";
}

/** Row-major values of `shape`, which is a model's: (1, height, width, channels), or without the 1; grey (BT.601) for one channel.
 *
 * Throws EdgeError: E_SHAPE, a shape of no picture; E_FORMAT, what the browser cannot read; E_POLICY, a picture of another
 * origin that was fetched without CORS. */
export async function fromPixels(source: ImageBitmapSource, shape: readonly number[], { range = [0, 1], fit = "cover" }: PixelOptions = {}): Promise<Float32Array<ArrayBuffer>> {
  const [height, width, channels] = planeOf(shape);
  const bytes = await scaled(source, width, height, fit);
  const [low, step] = [range[0], (range[1] - range[0]) / 255];
  return Float32Array.from({ length: height * width * channels }, (_, i) => low + step * (channels === 1 ? grey(bytes, 4 * i) : bytes[4 * Math.floor(i / channels) + (i % channels)]!));
}

const grey = (bytes: Uint8ClampedArray, at: number) => 0.299 * bytes[at]! + 0.587 * bytes[at + 1]! + 0.114 * bytes[at + 2]!;

function planeOf(shape: readonly number[]): [number, number, number] {
  const sizes = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : [...shape];
  if (sizes.length !== 3 || ![1, 3, 4].includes(sizes[2]!) || !sizes.every((size) => size > 0)) {
    throw new EdgeError({ code: "E_SHAPE", message: "not the shape of one picture", where: "fromPixels", got: shape.join("×"), want: "1×height×width×channels, of which 1, 3 or 4" });
  }
  return sizes as [number, number, number];
}

async function scaled(source: ImageBitmapSource, width: number, height: number, fit: "cover" | "fill"): Promise<Uint8ClampedArray> {
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d", { willReadFrequently: true })!;
  pen.imageSmoothingQuality = "high";
  try {
    const image = await createImageBitmap(source);
    const part = Math.min(image.width / width, image.height / height);
    const [across, down] = fit === "fill" ? [image.width, image.height] : [part * width, part * height];
    pen.drawImage(image, (image.width - across) / 2, (image.height - down) / 2, across, down, 0, 0, width, height);
    image.close();
    return pen.getImageData(0, 0, width, height).data;
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(error: unknown): EdgeError {
  const foreign = error instanceof DOMException && error.name === "SecurityError";
  const facts = { where: "fromPixels", got: toProblem(error).message };
  return new EdgeError(foreign
    ? { code: "E_POLICY", message: "the picture is of another origin", ...facts, remedy: "set crossorigin on the element, and let that host allow it (CORS)" }
    : { code: "E_FORMAT", message: "the browser cannot read this as a picture", ...facts, want: "a picture that is loaded, a playing video, a canvas or an image file" });
}
