// The two workers. Predict workers are small and one per model; the learn worker is one per page, shared by all
// elements, started once and started again if it dies.
import { ASSETS, BASE } from "./assets.ts";
import { bootFiles } from "./layout.ts";
import { EdgeError } from "./problem.ts";
import type { LearnCalls, PredictCalls, Progress, StartReport } from "./protocol.ts";
import { Remote } from "./rpc.ts";

const START_TIMEOUT_MS = 120_000;
const LEARN_TIMEOUT_MS = 300_000;

/** What Python in the tab costs to fetch. */
export const PYTHON_BYTES = (() => {
  const { files, snapshot, wheel } = bootFiles(ASSETS, BASE);
  return [...files, snapshot ?? wheel].reduce((sum, file) => sum + file.size, 0);
})();

function makeWorker(role: "predict" | "learn"): Worker {
  const url = new URL(`${ASSETS.app}worker.js#${role}`, BASE);
  if (url.origin !== location.origin)
    throw new EdgeError({ code: "E_POLICY", message: "not of the page's own origin", where: url.href, want: location.origin });
  return new Worker(url, { type: "module", name: `py-edge ${role}` });
}

export function startPredictor(): Remote<PredictCalls> {
  return new Remote<PredictCalls>(makeWorker("predict"), "predict worker");
}

export interface Python {
  report: StartReport;
  /** Resolves when the worker has died; whoever holds it must ask for a new one. */
  lost: Promise<void>;
  /** A function of py_edge.host.browser, or `module.function` of another module of py_edge.host. */
  call<T>(name: string, ...args: unknown[]): Promise<T>;
  /** Make packages that the bundle carries importable; those that are there already cost nothing. */
  install(packages: string[]): Promise<void>;
}

let python: Promise<Python> | null = null;
let lastProgress: Progress | null = null;
const watchers = new Set<(progress: Progress) => void>();

/** Python in its worker; the same one for every caller on this page. */
export function startPython(onprogress?: (progress: Progress) => void): Promise<Python> {
  if (onprogress) {
    watchers.add(onprogress);
    if (lastProgress) onprogress(lastProgress);
  }
  python ??= launch().finally(() => watchers.clear());
  python.catch(() => (python = null));
  return python;
}

/** Whether the host has dropped this page's bundle, as it does when the next but one is published. */
async function isGone(): Promise<boolean> {
  const { url } = bootFiles(ASSETS, BASE).wheel;
  return fetch(url, { method: "HEAD", cache: "no-store" }).then(({ status }) => status === 404, () => false);
}

async function launch(): Promise<Python> {
  const remote = new Remote<LearnCalls>(makeWorker("learn"), "learn worker");
  let tellLost!: () => void;
  const lost = new Promise<void>((resolve) => (tellLost = resolve));
  const lose = () => {
    python = null;
    tellLost();
  };
  remote.onlost = lose;
  try {
    const report = await remote.call(
      "start",
      bootFiles(ASSETS, BASE),
      {
        timeout_ms: START_TIMEOUT_MS,
        onprogress: (progress) => {
          lastProgress = progress;
          for (const watcher of watchers) watcher(progress);
        },
      },
    );
    const call = async <T>(name: string, ...args: unknown[]) => {
      const [module, own] = name.includes(".") ? name.split(".") : ["browser", name];
      try {
        return (await remote.call("call", { module: `py_edge.host.${module}`, name: own!, args }, { timeout_ms: LEARN_TIMEOUT_MS })) as T;
      } catch (error) {
        if (error instanceof EdgeError && error.code === "E_TIMEOUT") {
          remote.close();
          lose();
        }
        throw error;
      }
    };
    const install = (packages: string[]) => remote.call("install", { packages }, { timeout_ms: START_TIMEOUT_MS });
    return { report, lost, call, install };
  } catch (error) {
    remote.close();
    if (await isGone()) throw new EdgeError({ code: "E_GONE", message: "the host has a newer version in place of this page's files", where: ASSETS.app, remedy: "reload the page" });
    throw error instanceof EdgeError ? error : new EdgeError({ code: "E_WORKER", message: String(error), where: "learn worker" });
  }
}
