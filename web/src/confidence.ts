// From a model's raw output to label, confidence and "not sure": the page's half of py_edge/confidence.
import type { Policy, PlanMeta, Prediction } from "./protocol.ts";

export interface Scores {
  probabilities: number[];
  label_index: number;
  confidence: number;
}

/**
 * Probabilities at `temperature`, the best class and its probability.
 * `output` holds probabilities or logits (told apart by whether they sum to one). An output that is empty or not
 * finite is hard, never easy: confidence 0.
 */
export function score(output: ArrayLike<number>, temperature: number): Scores {
  const raw = Array.from(output);
  if (!raw.length || raw.some((value) => !Number.isFinite(value))) return { probabilities: raw.map(() => 0), label_index: -1, confidence: 0 };
  const isProbability = raw.every((value) => value >= 0) && Math.abs(raw.reduce((a, b) => a + b, 0) - 1) < 1e-3;
  const logits = isProbability ? raw.map((value) => Math.log(Math.max(value, 1e-30))) : raw;
  const top = Math.max(...logits);
  const powers = logits.map((value) => Math.exp((value - top) / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  const probabilities = powers.map((value) => value / sum);
  const label_index = probabilities.indexOf(Math.max(...probabilities));
  return { probabilities, label_index, confidence: probabilities[label_index]! };
}

/** The plan's own policy, overridden by what the page says. Without a threshold everything climbs. */
export function policyOf(meta: PlanMeta | undefined, policy: Policy): Required<Policy> {
  return {
    temperature: policy.temperature ?? meta?.temperature ?? 1,
    threshold: policy.threshold ?? meta?.threshold ?? Infinity,
    labels: policy.labels ?? meta?.labels ?? null,
    version: policy.version ?? meta?.version ?? null,
  };
}

export function decide(output: ArrayLike<number>, policy: Required<Policy>, ms: number): Prediction {
  const { probabilities, label_index, confidence } = score(output, policy.temperature);
  return {
    label: label_index < 0 ? null : (policy.labels?.[label_index] ?? String(label_index)),
    label_index, confidence, probabilities, ms,
    defer: !(confidence >= policy.threshold),
    model_version: policy.version,
  };
}
