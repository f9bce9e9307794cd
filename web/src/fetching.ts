// One way to get bytes: streamed with progress, with length, digest and "is this an HTML page?" checked.
import { sha256 } from "./digest.ts";
import { EdgeError } from "./problem.ts";
import type { Locked } from "./protocol.ts";

export interface FetchOptions {
  signal?: AbortSignal | undefined;
  onbytes?: ((count: number) => void) | undefined;
  cache?: RequestCache;
  fetch?: typeof fetch;
}

/** A response that is really the asked-for file. Throws E_NETWORK, E_NOT_FOUND. */
export async function request(url: string, options: FetchOptions = {}): Promise<Response> {
  let response: Response;
  try {
    response = await (options.fetch ?? fetch)(url, { signal: options.signal ?? null, cache: options.cache ?? "default" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const remedy = url.startsWith("file:")
      ? "a page opened from disk cannot load files; serve the folder, e.g. python -m http.server"
      : "check the connection and try again";
    throw new EdgeError({ code: "E_NETWORK", message: "the server did not answer", where: url, remedy });
  }
  if (!response.ok)
    throw new EdgeError({
      code: response.status === 404 ? "E_NOT_FOUND" : "E_NETWORK",
      message: "the server refused", where: url, got: response.status, want: 200,
    });
  return response;
}

/** A response that is no web page in place of a file, as sign-in pages and wrong addresses give. */
export async function requestFile(url: string, options: FetchOptions = {}): Promise<Response> {
  const response = await request(url, options);
  if (response.headers.get("content-type")?.startsWith("text/html"))
    throw new EdgeError({
      code: "E_INTEGRITY", message: "a web page came instead of the file", where: url,
      remedy: "the address is wrong, or a login page stands before it",
    });
  return response;
}

/** The whole file, checked against what was promised. Throws E_INTEGRITY on a wrong length or digest. */
export async function fetchBytes(file: Locked, options: FetchOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  return readFile(await requestFile(file.url, options), file, options);
}

/** What `fetchBytes` checks, on a response that is here already. */
export async function readFile(response: Response, file: Locked, options: FetchOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readAll(response, file.size, options.onbytes).catch((error: unknown) => {
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

async function readAll(response: Response, size: number, onbytes?: (count: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  if (!response.body || !onbytes) return new Uint8Array(await response.arrayBuffer());
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    onbytes(value.length);
    if (size && length > size) {
      await reader.cancel();
      throw new EdgeError({ code: "E_INTEGRITY", message: "more bytes than promised", where: response.url, want: size });
    }
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
