// A plan for a model.json that has none beside it: compiled by Python in the learn worker once, then kept in the Cache API
// under the digest of all the model's files.
import { ASSETS } from "./assets.ts";
import { sha256 } from "./digest.ts";
import { fetchBytes, JSON_BYTES, refusePacked } from "./fetching.ts";
import { EdgeError } from "./problem.ts";
import type { Progress } from "./protocol.ts";
import { startPython } from "./runtime.ts";

const CACHE = "py-edge plans";

interface Options {
  signal?: AbortSignal | undefined;
  onprogress?: ((progress: Progress) => void) | undefined;
}

/** The plan of this model for so many examples at a time. Throws what fetching, starting Python or compiling throws. */
export async function compilePlan(url: string, batch: number, { signal, onprogress }: Options): Promise<Uint8Array> {
  const files = await fetchModel(url, signal);
  const digest = await digestOf(files);
  const key = new URL(`?plan=${digest}&batch=${batch}&version=${ASSETS.version}`, url).href;
  const cache = await globalThis.caches?.open(CACHE).catch(() => undefined);
  const kept = await cache?.match(key);
  if (kept) return new Uint8Array(await kept.arrayBuffer());
  const python = await startPython(onprogress);
  const plan = await python.call<Uint8Array<ArrayBuffer>>("compile_plan", files, batch);
  await cache?.put(key, new Response(plan)).catch(() => undefined);
  return plan;
}

async function fetchModel(url: string, signal?: AbortSignal): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const bytes = async (path: string) => fetchBytes({ url: new URL(path, url).href, size: 0, sha256: "" }, { signal });
  const topology = await fetchBytes({ url, size: 0, sha256: "" }, { signal, cache: "no-cache", limit: JSON_BYTES });
  refusePacked(topology, url);
  let paths: string[];
  try {
    const { weightsManifest } = JSON.parse(new TextDecoder().decode(topology)) as { weightsManifest?: { paths: string[] }[] };
    paths = (weightsManifest ?? []).flatMap((group) => group.paths);
  } catch {
    throw new EdgeError({ code: "E_FORMAT", message: "this is not a model.json", where: url });
  }
  const foreign = paths.find((path) => typeof path !== "string" || !/^[\w.@-]+(\/[\w.@-]+)*$/.test(path) || /(^|\/)\.\.?(\/|$)/.test(path));
  if (foreign !== undefined) throw new EdgeError({ code: "E_PATH", message: "a weight file lies outside of the model's folder", where: url, got: foreign });
  const weights = await Promise.all(paths.map(bytes));
  return { "model.json": topology, ...Object.fromEntries(paths.map((path, i) => [path, weights[i]!])) };
}

async function digestOf(files: Record<string, Uint8Array<ArrayBuffer>>): Promise<string> {
  const lines = await Promise.all(Object.entries(files).map(async ([path, bytes]) => `${path} ${await sha256(bytes)}\n`));
  return sha256(new TextEncoder().encode(lines.join("")));
}
