// What the predict worker does: executor + plan + policy. Answers before Python is up, and keeps answering while it trains.
import { decide, policyOf, score } from "./confidence.ts";
import { threadsHere } from "./crew.ts";
import { compileExecutor, Executor } from "./executor.ts";
import { fetchBytes } from "./fetching.ts";
import { EdgeError } from "./problem.ts";
import type { ModelInfo, Policy, PredictCalls } from "./protocol.ts";
import type { Handlers } from "./rpc.ts";

/** By default, and at most half the cores: the page needs some too, and where none is free two threads are slower than one. */
const MOST_THREADS = 2;

let compiled: ReturnType<typeof compileExecutor> | null = null;
let current: { executor: Executor; policy: Required<Policy>; info: ModelInfo } | null = null;

function loaded(): NonNullable<typeof current> {
  if (!current) throw new EdgeError({ code: "E_NOT_FOUND", message: "no model is loaded yet", where: "predict worker" });
  return current;
}

/** False with NaN or infinity in it, which a layer may swallow. */
function allNumbers(input: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < input.length; i++) sum += input[i]! * 0;
  return sum === 0;
}

function changedInfo(): ModelInfo | null {
  const now = loaded();
  const { threads, reason } = now.executor;
  return threads === now.info.threads ? null : (now.info = { ...now.info, threads, reason });
}

export const predictCalls: Handlers<PredictCalls> = {
  async load({ plan, executors, policy, threads: wanted }, { progress }) {
    const threads = threadsHere(wanted ?? Math.min(MOST_THREADS, navigator.hardwareConcurrency >> 1));
    compiled ??= compileExecutor(executors, {}, threads > 1);
    compiled.catch(() => (compiled = null));
    let done = 0;
    const total = plan instanceof ArrayBuffer ? plan.byteLength : plan.size;
    const [{ module, variant }, bytes] = await Promise.all([
      compiled,
      plan instanceof ArrayBuffer
        ? new Uint8Array(plan)
        : fetchBytes(plan, { onbytes: (count) => progress({ phase: "model", done: (done += count), total: Math.max(done, total) }) }),
    ]);
    const executor = new Executor(module, bytes, threads);
    const { worker } = executors.crew;
    if (threads > 1) await executor.enlist(import(new URL("crew.js", worker).href) as Promise<typeof import("./crew.ts")>, threads, worker);
    const { header } = executor;
    const full = policyOf(header.meta, policy);
    const info: ModelInfo = {
      version: full.version, digest: header.meta?.digest ?? "", labels: full.labels,
      temperature: full.temperature, threshold: full.threshold,
      input_shape: header.inputs[0]?.shape ?? [], memory_bytes: executor.memoryBytes, variant, threads: executor.threads, reason: executor.reason,
    };
    current?.executor.dispose();
    current = { executor, policy: full, info };
    return info;
  },
  predict({ input, policy }) {
    const { executor, policy: own } = loaded();
    const begin = performance.now();
    const [output] = executor.run([input]);
    const prediction = decide((allNumbers(input) && output) || [], policy ? { ...own, ...policy } : own, performance.now() - begin);
    return { prediction, info: changedInfo() };
  },
  predictMany({ inputs, count }) {
    const { executor, policy } = loaded();
    const size = inputs.length / count;
    const labels: number[] = [];
    const confidences: number[] = [];
    for (let i = 0; i < count; i++) {
      const input = inputs.subarray(i * size, (i + 1) * size);
      const [output] = executor.run([input]);
      const { label_index, confidence } = score((allNumbers(input) && output) || [], policy.temperature);
      labels.push(label_index);
      confidences.push(confidence);
    }
    return { labels, confidences };
  },
  dispose() {
    current?.executor.dispose();
    current = null;
    return null;
  },
};
