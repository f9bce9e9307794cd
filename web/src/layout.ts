// How a bundle is laid out: from its asset table and the folder of its entry to addresses with length and digest.
import type { Boot, Executors, Locked } from "./protocol.ts";

export interface Assets {
  version: string;
  /** Immutable folders, each with its trailing slash: our own files, and the Pyodide runtime. */
  app: string;
  runtime: string;
  wheel: string;
  snapshot: string;
  /** Wheels that a node in the tab needs besides; empty when the bundle was made without. */
  node: string[];
  /** path -> [size in bytes, sha256]. */
  files: Record<string, [number, string]>;
}

export function locked(assets: Assets, base: string, path: string): Locked {
  const [size, sha256] = assets.files[path] ?? [0, ""];
  return { url: new URL(path, base).href, size, sha256 };
}

export function executorsAt(assets: Assets, base: string): Executors {
  const executor = (name: string) => locked(assets, base, `${assets.app}executor.${name}.wasm`);
  const crew = { relaxed: executor("crew-relaxed"), simd128: executor("crew-simd128"), worker: new URL(`${assets.app}crew.worker.js`, base).href };
  return { relaxed: executor("relaxed"), simd128: executor("simd128"), crew };
}

/** What a worker needs to start Python, with these wheels besides ours. */
export function bootFiles(assets: Assets, base: string, more: string[] = []): Boot {
  const runtime = Object.keys(assets.files).filter((path) => path.startsWith(assets.runtime) && !path.endsWith(".whl"));
  return {
    runtime: new URL(assets.runtime, base).href,
    files: runtime.map((path) => locked(assets, base, path)),
    snapshot: assets.snapshot ? locked(assets, base, assets.snapshot) : null,
    wheel: locked(assets, base, assets.wheel),
    wheels: more.map((path) => locked(assets, base, path)),
  };
}
