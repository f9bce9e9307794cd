// Records on the wire: tensors as base64, a question with its digest, the request that a node understands.
import { hex, sha256 } from "./digest.ts";
import { EdgeError } from "./problem.ts";
import type { Prediction, Problem, Question, Sent, WireTensor } from "./protocol.ts";

export function encodeTensor(values: Float32Array, shape: number[]): WireTensor {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return { shape, dtype: "float32", data: btoa(text) };
}

export function decodeTensor(tensor: WireTensor): Float32Array {
  const bytes = Uint8Array.from(atob(tensor.data), (char) => char.charCodeAt(0));
  const kinds: Record<string, new (buffer: ArrayBuffer) => ArrayLike<number>> = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int8: Int8Array };
  return Float32Array.from(new (kinds[tensor.dtype] ?? Uint8Array)(bytes.buffer));
}

/** The digest that binds a question's id to its content: canonical JSON, keys sorted, no spaces. */
export function contentDigest(input: WireTensor, model: string): Promise<string> {
  const { data, dtype, shape } = input;
  return sha256(new TextEncoder().encode(JSON.stringify({ input: { data, dtype, shape }, model })));
}

/** The payload of a question: the whole input, or the less that may leave the page. */
export function payloadOf(input: Float32Array, shape: number[], sent: Sent | null | undefined): Pick<Question, "rung" | "input"> {
  if (!sent) return { rung: "input", input: encodeTensor(input, shape) };
  const want = sent.shape.reduce((a, b) => a * b, 1);
  if (sent.values.length !== want) throw new EdgeError({ code: "E_SHAPE", message: "what is sent does not fit its shape", got: String(sent.values.length), want: String(want) });
  return { rung: sent.rung, input: encodeTensor(sent.values, sent.shape) };
}

/** A question with this payload; `sequence` is given by the store in the same transaction that keeps it. */
export async function makeQuestion(model: string, payload: Pick<Question, "rung" | "input">, prediction: Prediction, labels: string[] | null, extra: Partial<Question> = {}): Promise<Omit<Question, "device" | "sequence">> {
  const candidates = prediction.probabilities
    .map((probability, index) => ({ label: labels?.[index] ?? String(index), probability }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, 10);
  return {
    digest: await contentDigest(payload.input, model),
    model, ...payload, candidates, labels,
    model_version: prediction.model_version ?? 0,
    confidence: prediction.confidence,
    asked_at_ms: Date.now(), deadline_ms: null, patience_ms: null, hops: [], trace: hex(crypto.getRandomValues(new Uint8Array(8))),
    ...extra,
  };
}

/** Stands for the node in this tab wherever a node's address is wanted. */
export const IN_PAGE = "https://in-page.invalid/";

/** How a node in the tab is spoken to: its module is loaded only when one is wanted. */
export interface InPageLine {
  fetch(url: string, init: RequestInit): Promise<Response>;
  stream(url: string): EventSource;
}

const KEY = Symbol.for("py-edge in-page node");

/** The line to the one node of this tab, shared by every script of the page; set by the entry, which knows the bundle. */
export function inPageLine(start?: () => Promise<InPageLine>): Promise<InPageLine> {
  const shared = globalThis as { [KEY]?: Promise<InPageLine> };
  if (start) shared[KEY] ??= start();
  return shared[KEY] ?? Promise.reject(new EdgeError({ code: "E_NOT_FOUND", message: "no node runs in this tab", remedy: 'set origin="in-page" on an element of this page' }));
}

async function nodeFetch(url: string, init: RequestInit): Promise<Response> {
  return url.startsWith(IN_PAGE) ? (await inPageLine()).fetch(url, init) : fetch(url, init);
}

export async function openStream(url: string): Promise<EventSource> {
  return url.startsWith(IN_PAGE) ? (await inPageLine()).stream(url) : new EventSource(url);
}

/** JSON from a node. Throws EdgeError with the node's own problem, and `status` in `got`. */
export async function callNode<T>(url: string, init: RequestInit = {}, timeout_ms = 15_000): Promise<T> {
  let response: Response;
  try {
    response = await nodeFetch(url, { ...init, signal: init.signal ?? AbortSignal.timeout(timeout_ms) });
  } catch (error) {
    if (error instanceof EdgeError) throw error;
    throw new EdgeError({ code: "E_NETWORK", message: "the node did not answer", where: url, remedy: "the question is kept and sent again" });
  }
  const body: unknown = await response.json().catch(() => null);
  if (response.ok && body !== null) return body as T;
  const told = (body ?? {}) as Partial<Problem> & { detail?: string; title?: string };
  throw new EdgeError({
    code: told.code ?? "E_NETWORK",
    message: told.detail ?? told.title ?? told.message ?? "the node answered in a way that cannot be understood",
    where: url, got: response.status,
  });
}
