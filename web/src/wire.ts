// Records on the wire: tensors as base64, a question with its digest, the request that a node understands.
import { hex, sha256 } from "./digest.ts";
import { readFile } from "./fetching.ts";
import { EdgeError } from "./problem.ts";
import { FetchStream } from "./stream.ts";
import type { Prediction, Problem, Question, Sent, Token, WireTensor } from "./protocol.ts";

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
export async function makeQuestion(model: string, payload: Pick<Question, "rung" | "input">, prediction: Prediction, known: string[] | null, extra: Partial<Question> = {}): Promise<Omit<Question, "device" | "sequence">> {
  // A person can only choose what has a name: classes without one are called by their number, as in a prediction.
  const labels = known ?? prediction.probabilities.map((_, index) => String(index));
  const candidates = prediction.probabilities
    .map((probability, index) => ({ label: labels[index] ?? String(index), probability }))
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
}

const KEY = Symbol.for("py-edge in-page node");

/** The line to the one node of this tab, shared by every script of the page; set by the entry, which knows the bundle. */
export function inPageLine(start?: () => Promise<InPageLine>): Promise<InPageLine> {
  const shared = globalThis as { [KEY]?: Promise<InPageLine> };
  if (start) shared[KEY] ??= start();
  return shared[KEY] ?? Promise.reject(new EdgeError({ code: "E_NOT_FOUND", message: "no node runs in this tab", remedy: 'set origin="in-page" on an element of this page' }));
}

/** The header that brings it; none without a token. */
export async function bearing(token: Token): Promise<Record<string, string>> {
  const now = typeof token === "function" ? await token() : token;
  return now ? { authorization: `Bearer ${now}` } : {};
}

async function nodeFetch(url: string, init: RequestInit): Promise<Response> {
  return url.startsWith(IN_PAGE) ? (await inPageLine()).fetch(url, init) : fetch(url, init);
}

export async function openStream(url: string, token?: Token): Promise<EventSource | FetchStream> {
  const headers = await bearing(token);
  if (!headers["authorization"] && !url.startsWith(IN_PAGE)) return new EventSource(url);
  return new FetchStream((init) => nodeFetch(url, { ...init, headers: { ...init.headers as Record<string, string>, ...headers } }));
}

/** What hosts of files say to a node's addresses, in words of their own. */
const NOT_A_NODE = [404, 405, 501];

/** The most bytes of a node's answer, as py_edge.chain.upstream has it. */
const ANSWER_BYTES = 4 << 20;

/** JSON from a node. Throws EdgeError with the node's own problem and its status in `got`; E_NETWORK when none comes, E_LIMIT
 * when it does not end. */
export async function callNode<T>(url: string, init: RequestInit = {}, timeout_ms = 15_000): Promise<T> {
  const signal = init.signal ?? AbortSignal.timeout(timeout_ms);
  let response: Response;
  let text: string;
  try {
    response = await nodeFetch(url, { ...init, signal });
    text = new TextDecoder().decode(await readFile(response, { url, size: 0, sha256: "" }, { limit: ANSWER_BYTES }));
  } catch (error) {
    if (error instanceof EdgeError && error.code !== "E_NETWORK") throw error;
    throw new EdgeError({ code: "E_NETWORK", message: "the node did not answer", where: url, remedy: "the question is kept and sent again" });
  }
  const body = parseJson(text);
  if (response.ok && body !== null) return body as T;
  if (body === null && NOT_A_NODE.includes(response.status)) throw new EdgeError({ code: "E_NETWORK", message: "no node is here", where: url.replace(/\?.*/, ""), got: response.status, remedy: "name one with origin" });
  const told = (body ?? {}) as Partial<Problem> & { detail?: string; title?: string };
  throw new EdgeError({
    code: told.code ?? (response.status === 401 ? "E_AUTH" : "E_NETWORK"),
    message: told.detail ?? told.title ?? told.message ?? "the node answered in a way that cannot be understood",
    where: url, got: response.status,
  });
}

/** null for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
