// Every message that crosses a border of the page, as types only: wire records (the same words as records.py),
// what the page asks its two workers, and what the element tells the page. Nothing here runs.

// ---- wire records -------------------------------------------------------------------------------------------

/** One tensor in JSON: `data` is base64 of the little-endian bytes. */
export interface WireTensor {
  shape: number[];
  dtype: "float32" | "float64" | "int32" | "int8" | "uint8" | "bool";
  data: string;
}

export interface Candidate {
  label: string;
  probability: number;
}

/** What a device could not answer itself. Identity is (device, sequence), bound to `digest`. */
export interface Question {
  device: string;
  sequence: number;
  digest: string;
  model: string;
  model_version: number;
  input: WireTensor;
  rung: "input" | "crop" | "features";
  candidates: Candidate[];
  confidence: number;
  labels: string[] | null;
  asked_at_ms: number;
  deadline_ms: number | null;
  patience_ms: number | null;
  hops: string[];
  trace: string;
  audit?: boolean;
}

/** What goes up in place of the whole input: a part of it, or numbers made from it. */
export interface Sent {
  rung: "crop" | "features";
  values: Float32Array;
  shape: number[];
}

export type State = "asked" | "unresolved" | "queued" | "working" | "answered" | "expired" | "cancelled" | "failed" | "erased";

/** A verdict on a question; a later, better one is a higher revision. */
export interface Answer {
  device: string;
  sequence: number;
  revision: number;
  label: string | null;
  label_index: number | null;
  source: string;
  tier: number;
  confidence: number;
  provisional: boolean;
  model_version: number | null;
  annotators: string[];
  answered_at_ms: number;
  /** Whose count `revision` is: a node that lost its disk counts anew. Absent from an older node. */
  numbered_by?: string;
  hops: string[];
}

export interface ReleaseFile {
  path: string;
  size: number;
  sha256: string;
}

/** One version of a model; `digest` covers files and metadata. */
export interface Release {
  name: string;
  version: number;
  digest: string;
  files: ReleaseFile[];
  metadata: ReleaseMetadata;
  released_at_ms: number;
}

export interface ReleaseMetadata {
  labels?: string[] | null;
  temperature?: number;
  threshold?: number;
  parameters?: number;
  parent_digest?: string | null;
  metrics?: Record<string, unknown>;
}

/** What the asker hears at once. */
export interface Receipt {
  state: State;
  place: number | null;
  estimate_s: number | null;
  answer: Answer | null;
  event: number | null;
  /** The node that will finalise it; empty while unknown. */
  owner: string;
}

/** problem+json as a node sends it, and the shape of every error that this library gives. */
export interface Problem {
  code: string;
  message: string;
  where?: string;
  got?: unknown;
  want?: unknown;
  remedy?: string;
}

/** One task of the desk. */
export interface DeskTask {
  task: string;
  input: WireTensor;
  rung: Question["rung"];
  model: string;
  candidates: Candidate[];
  labels: string[] | null;
  lease_until_ms: number;
}

// ---- the plan file ------------------------------------------------------------------------------------------

/** Data of one tensor: float32, int32, or bool as bytes 0 and 1. */
export type Data = Float32Array | Int32Array | Uint8Array;

export interface PlanSlot {
  name: string;
  shape: number[];
  dtype: string;
  offset: number;
}

/** Header JSON of a plan file; offsets of inputs and outputs are bytes in the arena. */
export interface PlanHeader {
  abi: number;
  panel: number;
  arena_bytes: number;
  weights_bytes: number;
  blob_bytes: number;
  inputs: PlanSlot[];
  outputs: PlanSlot[];
  init: [number, number];
  run: [number, number];
  variables?: PlanSlot[];
  meta?: PlanMeta;
}

export interface PlanMeta {
  labels?: string[] | null;
  temperature?: number;
  threshold?: number;
  version?: number | null;
  digest?: string;
}

// ---- what the page asks its workers -------------------------------------------------------------------------

/** A file to fetch: where, and the length and sha256 that it must have ("" = nobody promised one). */
export interface Locked {
  url: string;
  size: number;
  sha256: string;
}

export interface Progress {
  phase: "model" | "runtime" | "packages" | "warmup";
  done: number;
  total: number;
}

export interface ModelInfo {
  version: number | null;
  digest: string;
  labels: string[] | null;
  temperature: number;
  threshold: number;
  input_shape: number[];
  memory_bytes: number;
  variant: "relaxed" | "simd128";
  /** How many threads a prediction takes; where it is one although it may be more, `reason` says why. */
  threads: number;
  reason: string;
}

/** What the device says about one input. `defer`: it is not sure, somebody else should answer. */
export interface Prediction {
  /** null, and -1 as its place, where nothing can be said: an input or output that is empty or holds what is no number. */
  label: string | null;
  label_index: number;
  confidence: number;
  probabilities: number[];
  defer: boolean;
  model_version: number | null;
  ms: number;
}

/** Calls of the predict worker: no Python here. */
export interface PredictCalls {
  load(args: { plan: Locked | ArrayBuffer; executors: Executors; policy: Policy; threads?: number | undefined }): ModelInfo;
  /** info: where it is no longer what `load` told, for a helper was lost in a run. */
  predict(args: { input: Float32Array; policy?: Policy }): { prediction: Prediction; info: ModelInfo | null };
  predictMany(args: { inputs: Float32Array; count: number }): { labels: number[]; confidences: number[] };
  dispose(args: Record<string, never>): null;
}

export interface Executors {
  relaxed: Locked;
  simd128: Locked;
  /** With memory that threads share, and the address of the helpers' script. */
  crew: { relaxed: Locked; simd128: Locked; worker: string };
}

/** What overrides the values carried by the plan; absent = the plan's own. */
export interface Policy {
  temperature?: number;
  threshold?: number;
  labels?: string[] | null;
  version?: number | null;
}

/** One learnt thing: an input and the label that came home for it. */
export interface Example {
  input: Float32Array;
  label_index: number;
  weight: number;
}

export interface LearnOptions {
  epochs?: number;
  learning_rate?: number;
  batch?: number;
  layers?: number;
  seed?: number;
  /** scikit-learn fits the last layer on cached features; the bundle must carry it (`py-edge bundle --tier sklearn`). */
  head?: "logistic";
}

/** How far a fine-tune is: epoch and step from 0, steps of an epoch, the loss of that step. */
export interface Learning {
  epoch: number;
  epochs: number;
  step: number;
  steps: number;
  loss: number;
}

/** What n audits show: the share answered alone, errors among them, and how often at most it is wrong there. */
export interface Certificate {
  n: number;
  coverage: number;
  errors: number;
  bound: number;
  reason: string;
}

/** What audits give: from when on the device may answer alone (over 1: never), and what that rests on. */
export interface Certified {
  temperature: number;
  threshold: number;
  certificate: Certificate;
}

/** What a fine-tune gives: a new plan for the predict worker and how it was reached. */
export interface Trained extends Certified {
  plan: Uint8Array<ArrayBuffer>;
  /** The changed weights, exact, against the release. */
  change: Uint8Array<ArrayBuffer>;
  loss: number[];
  examples: number;
  ms: number;
  train_ms: number;
}

/** What Python starts from: the runtime's folder and files; a memory snapshot with py_edge in it, else py_edge's own wheel;
 * more wheels to unpack. */
export interface Boot {
  runtime: string;
  files: Locked[];
  snapshot: Locked | null;
  wheel: Locked;
  wheels: Locked[];
}

/** Calls of the learn worker: Pyodide with py_edge inside. `call` reaches named functions of py_edge modules only. */
export interface LearnCalls {
  start(args: Boot): StartReport;
  /** Make packages that the bundle carries importable. */
  install(args: { packages: string[] }): void;
  call(args: { module: string; name: string; args: unknown[] }): unknown;
}

export interface StartReport {
  python: string;
  py_edge: string;
  ms: number;
  steps: Record<string, number>;
  /** Why Python started the long way, without the memory snapshot; empty where it was used. */
  without_snapshot: string;
}

/** One call on the wire between page and worker, and the three things that can come back. */
export type Request = { id: number; call: string; args: unknown };
export type Reply =
  | { id: number; value: unknown }
  | { id: number; problem: Problem }
  | { id: number; progress: Progress };

// ---- a node in the tab: requests to its worker, and the pieces that come back ---------------------------------

export type NodeRequest =
  | { kind: "start"; boot: Boot }
  | { kind: "request"; number: number; method: string; path: string; query: string; headers: [string, string][]; body: Uint8Array | null }
  | { kind: "hang_up"; number: number };

export type NodeReply =
  | { kind: "started" }
  | { kind: "failed"; problem: Problem }
  | { kind: "head"; number: number; status: number; headers: [string, string][] }
  | { kind: "body"; number: number; bytes: Uint8Array<ArrayBuffer> }
  | { kind: "end"; number: number };

/** The token for a node, or what gives the present one; it stays in memory and goes to that node alone. */
export type Token = string | undefined | (() => string | undefined | Promise<string | undefined>);

// ---- what the element tells the page ------------------------------------------------------------------------

/** `detail` of each event `pyedge:<name>`; all plain JSON. */
export interface Events {
  progress: Progress;
  ready: { stage: "predict" | "learn"; ms: number };
  prediction: Prediction & { sequence: number | null };
  escalated: { device: string; sequence: number; state: State; place: string; estimate_s: number | null };
  answered: Answer & { repeated: boolean };
  learning: Learning;
  trained: { examples: number; ms: number; train_ms: number; loss: number[]; model_version: number | null };
  released: { name: string; version: number; digest: string };
  /** denied: the node answers, and wants a token. */
  state: { online: boolean; denied: boolean; outbox: number; waiting: number };
  error: Problem;
}
