// The asset table of this bundle. `py-edge bundle` writes it in place of the placeholder, so that every size is known
// before the first byte is fetched. Only entry scripts may import this: they lie at the root of the bundle, or a copy in `app`.
import type { Assets } from "./layout.ts";

export const ASSETS = JSON.parse("__PY_EDGE_ASSETS__") as Assets;

const here = new URL(".", import.meta.url).href;

export const BASE = here.endsWith(ASSETS.app) ? new URL("..", here).href : here;
