// Where the other files of the bundle lie, relative to the entry script. `py-edge bundle` writes the table in place of
// the placeholder, so that every size is known before the first byte is fetched.
import type { Executors, Locked } from "./protocol.ts";

export interface Assets {
  version: string;
  /** Immutable folders, each with its trailing slash: our own files, and the Pyodide runtime. */
  app: string;
  runtime: string;
  wheel: string;
  snapshot: string;
  /** path -> [size in bytes, sha256]. */
  files: Record<string, [number, string]>;
}

export const ASSETS = JSON.parse("__PY_EDGE_ASSETS__") as Assets;

export const BASE = new URL(".", import.meta.url).href;

export function locked(assets: Assets, path: string): Locked {
  const [size, sha256] = assets.files[path] ?? [0, ""];
  return { url: new URL(path, BASE).href, size, sha256 };
}

export function executorsAt(assets: Assets): Executors {
  return {
    relaxed: locked(assets, `${assets.app}executor.relaxed.wasm`),
    simd128: locked(assets, `${assets.app}executor.simd128.wasm`),
  };
}
