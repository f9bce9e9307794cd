// A net that a page teaches from nothing: the calls of py_edge/host/classroom.py, one net per name.
import { startPython } from "../py-edge.js";
import type { Progress } from "../protocol.ts";
import type { Python } from "../runtime.ts";

export interface Fitted {
  epoch: number;
  loss: number;
  accuracy: number;
}

export interface Net {
  inputs: number;
  hidden: number[];
  labels: string[];
  options: { activation?: string; learning_rate?: number; seed?: number };
}

/** What a Teachable Machine zip brings: class names, and the side and colours of the pictures that it takes. */
export interface Imported {
  labels: string[];
  side: number;
  channels: number;
}

/** Examples as Python takes them: rows one after the other, and the class of each. */
export interface Lessons {
  inputs: Float32Array;
  labels: Int32Array;
}

/** What the net says of one input. novel: it is like nothing that its class was learnt from. */
export interface Decided {
  label: string | null;
  label_index: number;
  confidence: number;
  defer: boolean;
  novel: boolean;
  probabilities: number[];
}

export class Classroom {
  readonly #python: Promise<Python>;

  readonly #name: string;

  constructor(onprogress: (progress: Progress) => void, name = "page") {
    this.#name = name;
    this.#python = startPython(onprogress);
  }

  async ready(): Promise<void> {
    await this.#python;
  }

  async open({ inputs, hidden, labels, options }: Net): Promise<void> {
    await (await this.#python).call("class_open", this.#name, inputs, hidden, labels, options);
  }

  /** Go on with the net of a zip; it is taught and asked with `features`. */
  async import(zip: ArrayBuffer): Promise<Imported> {
    return (await this.#python).call<Imported>("class_import", this.#name, new Uint8Array(zip));
  }

  /** What the imported net sees in one picture. */
  async features(picture: Float32Array): Promise<Float32Array<ArrayBuffer>> {
    const bytes = await (await this.#python).call<Uint8Array>("class_features", this.#name, picture, 1);
    return new Float32Array(bytes.slice().buffer);
  }

  async fit({ inputs, labels }: Lessons, epochs: number): Promise<Fitted> {
    return (await this.#python).call<Fitted>("class_fit", this.#name, inputs, labels, epochs);
  }

  /** What is learnt from, so that `decide` knows what is like none of it; `variants` rows in turn are one thing, moved. */
  async know({ inputs, labels }: Lessons, variants: number): Promise<void> {
    await (await this.#python).call("class_know", this.#name, inputs, labels, variants);
  }

  /** The answer to one input, or "not sure" below this confidence and where it is like nothing learnt. */
  async decide(input: Float32Array, threshold: number): Promise<Decided> {
    return (await this.#python).call<Decided>("class_decide", this.#name, input, threshold);
  }

  /** Probabilities, row after row. */
  async predict(inputs: Float32Array, count: number): Promise<Float32Array> {
    const bytes = await (await this.#python).call<Uint8Array>("class_predict", this.#name, inputs, count);
    return new Float32Array(bytes.slice().buffer);
  }

  /** The net as TF.js files. */
  async files(): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
    return (await this.#python).call<Record<string, Uint8Array<ArrayBuffer>>>("class_files", this.#name);
  }
}

/** The best class of row `row` and its probability. */
export function best(probabilities: Float32Array, classes: number, row: number): [number, number] {
  let found = 0;
  for (let i = 1; i < classes; i++) if (probabilities[row * classes + i]! > probabilities[row * classes + found]!) found = i;
  return [found, probabilities[row * classes + found]!];
}
