// The asset table of this bundle. `py-edge bundle` writes it in place of the placeholder, so that every size is known
// before the first byte is fetched. Only entry scripts may import this: they lie at the root of the bundle.
import type { Assets } from "./layout.ts";

export const ASSETS = JSON.parse("__PY_EDGE_ASSETS__") as Assets;

export const BASE = new URL(".", import.meta.url).href;
