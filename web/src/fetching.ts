// One way to get bytes: streamed with progress and within bounds; origin, length, digest and "is this an HTML page?" checked.
import { sha256 } from "./digest.ts";
import { EdgeError } from "./problem.ts";
import type { Locked, Problem } from "./protocol.ts";

export interface FetchOptions {
  signal?: AbortSignal | undefined;
  onbytes?: ((count: number) => void) | undefined;
  cache?: RequestCache;
  headers?: Record<string, string> | undefined;
  fetch?: typeof fetch;
  /** The most bytes to read where no size was promised. */
  limit?: number;
}

/** What a model.json or release.json may weigh, as py_edge.tfjs.limits has it. */
export const JSON_BYTES = 16 * 2 ** 20;
const MOST_BYTES = 2 ** 30;

/** A response that is really the asked-for file. Throws E_AUTH, E_NETWORK, E_NOT_FOUND, E_POLICY. */
export async function request(url: string, options: FetchOptions = {}): Promise<Response> {
  let response: Response;
  try {
    response = await (options.fetch ?? fetch)(url, { signal: options.signal ?? null, cache: options.cache ?? "default", headers: options.headers ?? {} });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new EdgeError(noAnswer(url));
  }
  if (response.redirected && new URL(response.url).origin !== new URL(url).origin) {
    await response.body?.cancel();
    throw new EdgeError({
      code: "E_POLICY", message: "the server sends on to another origin", where: url, got: new URL(response.url).origin,
      remedy: "name that address itself, or serve the file where it was asked for",
    });
  }
  if (!response.ok)
    throw new EdgeError({
      code: { 401: "E_AUTH", 404: "E_NOT_FOUND" }[response.status] ?? "E_NETWORK",
      message: "the server refused", where: url, got: response.status, want: 200,
    });
  return response;
}

/** Why a fetch can have given nothing at all; the browser itself does not say. */
function noAnswer(url: string): Problem {
  const insecure = url.startsWith("http:") && !/^http:\/\/(localhost|127\.|\[::1\])/.test(url);
  if (insecure && globalThis.origin?.startsWith("https:"))
    return { code: "E_POLICY", message: "a page on https may not load over http", where: url, want: "https", remedy: "serve the file over https" };
  const remedy = url.startsWith("file:")
    ? "a page opened from disk cannot load files; serve the folder, e.g. python -m http.server"
    : `check the connection${new URL(url).origin === globalThis.origin ? "" : " and CORS"} and try again`;
  return { code: "E_NETWORK", message: "the server did not answer", where: url, remedy };
}

/** A response that is no web page in place of a file, as sign-in pages and wrong addresses give. */
export async function requestFile(url: string, options: FetchOptions = {}): Promise<Response> {
  const response = await request(url, options);
  if (response.headers.get("content-type")?.startsWith("text/html")) {
    await response.body?.cancel();
    throw new EdgeError({
      code: "E_INTEGRITY", message: "a web page came instead of the file", where: url,
      remedy: "the address is wrong, or a login page stands before it",
    });
  }
  return response;
}

/** The whole file, checked against what was promised. Throws E_INTEGRITY on a wrong length or digest, E_LIMIT when nothing
 * was promised and it does not end. */
export async function fetchBytes(file: Locked, options: FetchOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  return readFile(await requestFile(file.url, options), file, options);
}

/** What `fetchBytes` checks, on a response that is here already. */
export async function readFile(response: Response, file: Locked, options: FetchOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readAll(response, file, options).catch((error: unknown) => {
    if (error instanceof EdgeError || options.signal?.aborted) throw error;
    throw new EdgeError({ code: "E_NETWORK", message: "the connection broke", where: file.url, remedy: "try again" });
  });
  if (file.size && bytes.length !== file.size)
    throw new EdgeError({ code: "E_INTEGRITY", message: "the length is wrong", where: file.url, got: bytes.length, want: file.size });
  if (file.sha256) {
    const got = await sha256(bytes);
    if (got !== file.sha256)
      throw new EdgeError({ code: "E_INTEGRITY", message: "the digest is wrong", where: file.url, got, want: file.sha256 });
  }
  return bytes;
}

/** For files that promise no digest and never begin like this: they were packed once more than the server says. */
export function refusePacked(bytes: Uint8Array, where: string): void {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    throw new EdgeError({ code: "E_INTEGRITY", message: "the file is packed with gzip", where, remedy: "unpack it on the server, or let Content-Encoding say so" });
}

/** A module, compiled while it streams where the server names the type; given only once its bytes are the promised ones. */
export async function compileFile(file: Locked, options: FetchOptions = {}): Promise<WebAssembly.Module> {
  const response = await requestFile(file.url, options);
  if (response.headers.get("content-type") !== "application/wasm") return WebAssembly.compile(await readFile(response, file, options)).catch(uncompiled);
  const compiling = WebAssembly.compileStreaming(file.sha256 ? response.clone() : response);
  compiling.catch(() => undefined);
  if (file.sha256) await readFile(response, file, options);
  return compiling.catch(uncompiled);
}

/** The bytes are as promised, so it is the page or the browser that will not have them. */
function uncompiled(error: unknown): never {
  throw new EdgeError({ code: "E_ENVIRONMENT", message: String(error), remedy: "allow 'wasm-unsafe-eval' in Content-Security-Policy" });
}

async function readAll(response: Response, file: Locked, { onbytes, limit }: FetchOptions): Promise<Uint8Array<ArrayBuffer>> {
  const most = file.size || (limit ?? MOST_BYTES);
  const refuseOver = async (length: number, cancel: () => Promise<void> | undefined) => {
    if (length <= most) return;
    await cancel();
    throw new EdgeError(
      file.size
        ? { code: "E_INTEGRITY", message: "more bytes than promised", where: file.url, want: most }
        : { code: "E_LIMIT", message: "the file is too large", where: file.url, got: length, want: `<= ${most} bytes` },
    );
  };
  if (!response.body) return new Uint8Array(0);
  if (!file.size) await refuseOver(Number(response.headers.get("content-length")), () => response.body?.cancel());
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    onbytes?.(value.length);
    await refuseOver(length, () => reader.cancel());
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
