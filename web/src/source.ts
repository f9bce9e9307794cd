// Where a model comes from: a folder with release.json beside its files, or a node's /v1/models/{name}. Both give a
// Release whose files are known by digest; verified bytes are kept, so the next start needs no network.
import { fetchBytes, JSON_BYTES, refusePacked } from "./fetching.ts";
import { EdgeError, toProblem } from "./problem.ts";
import type { Locked, Release, ReleaseFile, Token } from "./protocol.ts";
import type { Store, Tables } from "./store.ts";
import { bearing, IN_PAGE, parseJson } from "./wire.ts";

export const PLAN_FILE = "wasm.plan";
export const MEMORY_FILE = "memory.json";
const TRY_AGAIN_MS = 86_400_000;

interface Unkept {
  digest: string;
  at_ms: number;
}

export interface Source {
  name: string;
  /** What storage is keyed by, with the name: the folder or node, without the page's own origin. */
  place: string;
  /** The node's `…/v1/`, or "" when there is no node to ask. */
  api: string;
  /** Goes with every request to the node, and with none to a folder. */
  token?: Token;
  current(signal?: AbortSignal): Promise<Release>;
  locate(release: Release, file: ReleaseFile): Locked;
}

/** src: folder or "" ; origin: the node or "". Relative to the page. Throws E_FORMAT when both are empty. */
export function makeSource(src: string, origin: string | null, model: string, token?: Token): Source {
  const base = document.baseURI;
  const api = origin === null ? "" : origin === "in-page" ? `${IN_PAGE}v1/` : new URL("v1/", new URL(origin || ".", base).href.replace(/\/?$/, "/")).href;
  if (src) {
    const folder = new URL(src.endsWith("/") ? src : `${src}/`, base).href;
    return {
      place: short(folder),
      name: model || folder.split("/").at(-2) || "model",
      api,
      current: (signal) => readRelease(`${folder}release.json`, signal),
      locate: (_release, file) => ({ url: folder + file.path, size: file.size, sha256: file.sha256 }),
    };
  }
  if (!api) throw new EdgeError({ code: "E_FORMAT", message: "a model needs src or origin", where: "<py-edge>" });
  const name = model || "device";
  return {
    place: short(api),
    name,
    api,
    token,
    current: async (signal) => readRelease(`${api}models/${name}`, signal, await bearing(token)).catch((error: unknown) => {
      if (!(error instanceof EdgeError) || error.code !== "E_NOT_FOUND") throw error;
      throw new EdgeError({ code: error.code, message: "the node has no model of this name", where: `${api}models/${name}`, remedy: "start the node with a model, or name another" });
    }),
    locate: (_release, file) => ({ url: `${api}blobs/${file.sha256}`, size: file.size, sha256: file.sha256 }),
  };
}

function short(url: string): string {
  return url.startsWith(`${location.origin}/`) ? url.slice(location.origin.length) : url;
}

async function readRelease(url: string, signal?: AbortSignal, headers?: Record<string, string>): Promise<Release> {
  const bytes = await fetchBytes({ url, size: 0, sha256: "" }, { signal, cache: "no-cache", limit: JSON_BYTES, headers });
  refusePacked(bytes, url);
  const release = parseJson(new TextDecoder().decode(bytes)) as Partial<Release> | null;
  if (!release?.digest || !Array.isArray(release.files) || typeof release.version !== "number")
    throw new EdgeError({ code: "E_FORMAT", message: "this is not a release", where: url, remedy: "src must be a folder with release.json, made by py-edge bundle" });
  return { metadata: {}, name: "model", released_at_ms: 0, ...release } as Release;
}

/** One file of a release: from the store if its verified bytes are there, else fetched, verified and kept. */
export async function fetchFile(source: Source, store: Store, release: Release, path: string, onbytes?: (count: number) => void, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const file = release.files.find((entry) => entry.path === path);
  if (!file) throw new EdgeError({ code: "E_NOT_FOUND", message: "the release has no such file", where: `${release.name} ${release.version}`, got: path });
  const kept = await store.read((tables) => tables.get("blobs", file.sha256));
  if (kept) {
    onbytes?.(kept.length);
    return kept;
  }
  // Past the browser's own cache, which may hold the file of the release before, or a damaged one, as still fresh.
  const bytes = await fetchBytes(source.locate(release, file), { onbytes, signal, cache: "reload", headers: await bearing(source.token) });
  // The note that a plan did not fit comes first and goes with it: after a large write was refused, a small one may be too.
  const note: Unkept | null = path === PLAN_FILE ? { digest: release.digest, at_ms: Date.now() } : null;
  if (note) await store.write((tables) => tables.put("pointers", "unkept", note)).catch(() => undefined);
  const keep = async (tables: Tables) => {
    await tables.put("blobs", file.sha256, bytes);
    if (note) await tables.delete("pointers", "unkept");
  };
  await store.write(keep).catch(() => undefined);
  return bytes;
}

/** Whether this release did not fit within the last day. No browser tells truly how much room there is. */
export async function didNotFit(store: Store, release: Release): Promise<boolean> {
  const unkept = (await store.read((tables) => tables.get("pointers", "unkept"))) as Unkept | undefined;
  return unkept?.digest === release.digest && Math.abs(Date.now() - unkept.at_ms) < TRY_AGAIN_MS;
}

/** Make this release the current one of the store and drop bytes that nobody needs any more. False where the browser
 * had no room for it: the old release stays for the next starts, and this one is not fetched for a day. */
export async function keepRelease(store: Store, release: Release): Promise<boolean> {
  const keep = async (tables: Tables) => {
    const old = (await tables.get("pointers", "release")) as Release | undefined;
    if (old?.digest === release.digest) return true;
    const plan = release.files.find((file) => file.path === PLAN_FILE);
    if (old && plan && !(await tables.get("blobs", plan.sha256))) return false;
    const needed = new Set(release.files.map((file) => file.sha256));
    for (const file of old?.files ?? []) if (!needed.has(file.sha256)) await tables.delete("blobs", file.sha256);
    await tables.put("pointers", "release", release);
    return true;
  };
  return store.write(keep).catch((error: unknown) => {
    if (toProblem(error).code === "E_STORAGE") return false;
    throw error;
  });
}
