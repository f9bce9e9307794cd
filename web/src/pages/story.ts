// The story told to a page in the user's own browser: it fetches one call after the other from the program that tells
// it, on this machine only, does it by the page's named hooks, and sends back what came out.
import { toProblem } from "../problem.ts";

type Hooks = Record<string, (...given: never[]) => unknown>;
interface Call {
  id: number;
  hook: string;
  given: unknown[];
}

const AGAIN_MS = 500;
const TRIES = 20;

/** Follow the teller at `from` until it is gone. Only loopback is believed: a link must not let a stranger drive. */
export async function follow(from: string, hooks: Hooks): Promise<void> {
  const base = new URL(from);
  if (!["127.0.0.1", "localhost", "[::1]"].includes(base.hostname)) throw new Error("a story comes from this machine only");
  for (let failures = 0; failures < TRIES; ) {
    try {
      const response = await fetch(new URL("next", base));
      failures = 0;
      if (response.status === 204) continue;
      const call = (await response.json()) as Call;
      const done = await perform(hooks, call);
      await fetch(new URL("done", base), { method: "POST", body: JSON.stringify(done) });
    } catch {
      failures++;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

async function perform(hooks: Hooks, { id, hook, given }: Call): Promise<object> {
  try {
    const found = Object.hasOwn(hooks, hook) ? hooks[hook] : undefined;
    if (!found) throw new Error(`there is no hook ${hook}`);
    return { id, value: (await found(...(given as never[]))) ?? null };
  } catch (error) {
    return { id, problem: toProblem(error) };
  }
}
