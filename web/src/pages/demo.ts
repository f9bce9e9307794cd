// The story on one page: a picture, what the device thinks, who answered, how the questions become fewer.
import type { PyEdgeElement } from "../element.ts";
import type { Answer, Events, LearnOptions, Prediction } from "../protocol.ts";
import { callNode } from "../wire.ts";
import { wait } from "./board.ts";
import { type Series, ShareChart } from "./chart.ts";
import { byId, el, percent, placeOf, telling } from "./dom.ts";
import { registerOffline } from "./offline.ts";
import { Pad, paint, picture } from "./digit.ts";
import { LossChart } from "./loss.ts";
import { annotatorName, DeskPanel } from "./panel.ts";
import { SAMPLES } from "./samples.ts";
import { follow } from "./story.ts";
import "../py-edge.js";

/** One row of the story's table. */
interface Round {
  round: number;
  device_share: number;
  site_share: number;
  cloud_share: number;
  person_share: number;
  system_accuracy: number;
  device_alone: number;
}

const LIST_LENGTH = 12;
const told = telling((text) => (byId("says").textContent = text));
const begin_ms = performance.timeOrigin;
const query = new URLSearchParams(location.search);
const element = byId<PyEdgeElement>("edge");
for (const name of ["src", "learn", "model", "origin", "threshold", "audit"]) {
  const value = query.get(name);
  if (value !== null) element.setAttribute(name, value);
}
if (element.getAttribute("origin") === "in-page") {
  document.querySelector("#chain [data-place=site]")!.textContent = "tab's node";
  byId("asked-node").textContent = "the node in this tab";
  document.querySelector("#chain [data-place=cloud]")!.remove();
}
/** The tier of the node that this page asks; what answers from above it is further up. */
let level = 1;
const rounds: Round[] = [];
const answers: Answer[] = [];
const timings = { first_prediction_ms: 0, python_ready_ms: 0, round_trip_ms: [] as number[] };
const asked = new Map<number, { image: Float32Array; begin: number; row: HTMLElement }>();

const chart = new ShareChart("round", "Nothing yet: the story that make demo plays draws a point after each round.");
byId("curve").append(chart.node);
const lossChart = new LossChart();
byId("learnt").after(lossChart.node);
byId("bars").append(...Array.from({ length: 10 }, (_, digit) =>
  el("li", {}, el("span", { class: "name" }, String(digit)), el("span", { class: "track" }, el("span", { class: "fill" })), el("span", { class: "value" }, "")),
));

// ---- what the page shows ----

function showImage(image: Float32Array): void {
  const canvas = byId<HTMLCanvasElement>("now");
  paint(canvas, image);
}

function showPrediction(prediction: Prediction): void {
  const bars = byId("bars").children;
  prediction.probabilities.forEach((share, i) => {
    const bar = bars[i] as HTMLElement | undefined;
    if (!bar) return;
    bar.classList.toggle("best", i === prediction.label_index);
    bar.querySelector<HTMLElement>(".fill")!.style.setProperty("--share", String(share));
    bar.querySelector(".value")!.textContent = percent(share);
  });
  const { label, defer, confidence } = prediction;
  byId("says").textContent = label === null ? "This is nothing that the model can judge" : `${defer ? "Not sure: perhaps" : "It is"} ${label} (${percent(confidence)})`;
}

function showPlace(kind: string | null): void {
  for (const node of document.querySelectorAll<HTMLElement>("#chain [data-place]")) {
    const on = node.dataset["place"] === kind;
    node.classList.toggle("on", on);
    if (on) node.setAttribute("aria-current", "step");
    else node.removeAttribute("aria-current");
  }
}

const placeNode = (kind: "site" | "cloud") => document.querySelector<HTMLElement>(`#chain [data-place=${kind}]`);

/** The chain as it is: the node by its own name, and no node above it where it has no parent. */
async function showChain(api: string): Promise<void> {
  const status = await callNode<{ name: string; level: number; parent: { url: string } | null }>(`${api}status`);
  level = status.level;
  placeNode("site")!.textContent = status.name;
  if (!status.parent) placeNode("cloud")?.remove();
}

/** No node is named: the device answers alone, and what it is not sure of stays with it. */
function showAlone(): void {
  for (const place of document.querySelectorAll("#chain :not([data-place=device])")) place.remove();
  byId("person").hidden = !deskApi;
  byId("leaves").textContent = "Nothing leaves this device: no node is named to ask, so the pictures it is not sure of are kept here.";
}

function showModel(): void {
  const { edge } = element;
  if (!edge?.info) return;
  byId("version").textContent = `model v${edge.info.version ?? "?"}${edge.tuned ? " + learnt here" : ""}`;
  const { threshold } = edge.info;
  byId("threshold").textContent = threshold <= 1 ? `It answers alone from ${percent(threshold)} confidence.` : "It asks about everything.";
}

function listQuestion(sequence: number, image: Float32Array, prediction: Prediction): void {
  const row = el("li", {}, picture(image, `question ${sequence}`), el("span", { class: "what" }, prediction.label === null ? "no idea" : `${prediction.defer ? "perhaps" : "to check:"} ${prediction.label}`), el("span", { class: "state chip" }, "kept"));
  asked.set(sequence, { image, begin: performance.now(), row });
  const list = byId("questions");
  list.prepend(row);
  while (list.children.length > LIST_LENGTH) list.lastElementChild!.remove();
  showCounts();
}

/** A store that fails is told by the element; the line keeps what it said last. */
function showCounts(): void {
  counts().catch(() => undefined);
}

async function counts(): Promise<void> {
  if (!element.edge) return;
  const { outbox, waiting, answered } = await element.edge.counts();
  if (answered + waiting + outbox > 0) byId("counts").textContent = `${answered} answered, ${waiting} waiting, ${outbox} not yet sent`;
}

function showCurve(): void {
  const pick = (name: string, kind: Series["kind"], of: (round: Round) => number): Series => ({ name, kind, values: rounds.map(of) });
  chart.draw([
    pick("asked by the device", "device", (round) => 1 - round.device_share),
    pick("answered by a person", "person", (round) => round.person_share),
    pick("right in all", "accuracy", (round) => round.system_accuracy),
    pick("device alone, on unseen", "cloud", (round) => round.device_alone),
  ]);
}

// ---- what happens ----

/** The question of the picture on show: an answer to an older one must not be said of a newer picture. */
let shown: number | null = null;

async function ask(input: ArrayLike<number>, options: { show?: boolean; audit?: boolean } = {}): Promise<{ prediction: Prediction; sequence: number | null }> {
  const edge = await element.ready;
  const image = Float32Array.from(input);
  const result = await edge.predictOrAsk(image, options.audit === undefined ? {} : { audit: options.audit });
  if (options.show ?? true) {
    showImage(image);
    showPrediction(result.prediction);
    shown = result.sequence;
    showPlace(result.prediction.defer && edge.source.api ? "site" : "device");
  }
  if (result.sequence !== null) listQuestion(result.sequence, image, result.prediction);
  return result;
}

element.addEventListener("pyedge:answered", (event) => {
  const answer = (event as CustomEvent<Events["answered"]>).detail;
  answers.push(answer);
  const entry = asked.get(answer.sequence);
  const { name, kind } = placeOf(answer.source, answer.tier, level);
  if (kind === "cloud") placeNode("cloud")?.replaceChildren(name);
  if (entry) {
    if (!answer.repeated) timings.round_trip_ms.push(performance.now() - entry.begin);
    entry.row.querySelector(".what")!.textContent = answer.label === null ? "no label fits" : `it is ${answer.label}`;
    entry.row.querySelector(".state")!.textContent = `${name}${answer.provisional ? ", for now" : ""}`;
    entry.row.className = kind;
  }
  if (answer.sequence === shown) showPlace(kind);
  showCounts();
});
element.addEventListener("pyedge:escalated", (event) => {
  const { sequence, state, place, estimate_s } = (event as CustomEvent<Events["escalated"]>).detail;
  const chip = asked.get(sequence)?.row.querySelector(".state");
  if (chip && chip.textContent === "kept") chip.textContent = `${state}${place && ` as number ${Number(place) + 1}`}${estimate_s === null ? "" : `, ${wait(estimate_s)}`}`;
  showCounts();
});
element.addEventListener("pyedge:learning", (event) => {
  const progress = (event as CustomEvent<Events["learning"]>).detail;
  lossChart.add(progress);
  byId("learnt").textContent = `Learning, epoch ${progress.epoch + 1} of ${progress.epochs}, loss ${progress.loss.toFixed(2)}.`;
});
element.addEventListener("pyedge:trained", (event) => {
  const { examples, train_ms, loss } = (event as CustomEvent<Events["trained"]>).detail;
  lossChart.finish(loss);
  byId("learnt").textContent = `Learnt from ${examples} answers in ${Math.round(train_ms)} ms.`;
  showModel();
});
element.addEventListener("pyedge:released", showModel);
element.addEventListener("pyedge:ready", (event) => {
  const { stage } = (event as CustomEvent<Events["ready"]>).detail;
  showModel();
  if (stage === "learn") {
    timings.python_ready_ms = performance.timeOrigin + performance.now() - begin_ms;
    byId("learnt").textContent = `Python is up after ${(timings.python_ready_ms / 1000).toFixed(1)} s.`;
    byId<HTMLButtonElement>("learn").disabled = false;
  }
});

const firstPrediction = element.ready.then(async (edge) => {
  await edge.predict(new Float32Array(edge.info!.input_shape.reduce((a, b) => a * b, 1)));
  timings.first_prediction_ms = performance.timeOrigin + performance.now() - begin_ms;
  showModel();
  showCounts(); // of the visits before this one
  if (edge.options.learn === "off") byId("learnt").textContent = "Learning is off.";
  useDesk(query.get("desk") ?? edge.source.api);
  if (!edge.source.api) showAlone();
  // Where nobody tells, the chain keeps its general names.
  if (edge.source.api && element.getAttribute("origin") !== "in-page") showChain(edge.source.api).catch(() => undefined);
  return { device: edge.device, first_prediction_ms: timings.first_prediction_ms, model_version: edge.info!.version };
});
firstPrediction.catch(() => {
  byId("says").textContent = "The model could not be loaded";
  byId("learnt").textContent = "Nothing to learn with.";
});

let deskApi = "";

/** Where a visitor would sit down: a node's URL, or its `…/v1/`. */
function useDesk(at: string): void {
  deskApi = at && new URL(/\/v1\/$/.test(at) ? at : "v1/", new URL(at, document.baseURI)).href;
  byId<HTMLButtonElement>("sit").disabled = !deskApi;
}

/** Only who sits down takes a task: a lease that nobody works on keeps others waiting. */
function sitDown(): void {
  const desk = new DeskPanel(deskApi, annotatorName());
  const pane = byId("person");
  byId("sit").replaceWith(desk.node);
  pane.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && desk.key(event.key)) event.preventDefault();
  });
}

// ---- what a visitor can do ----

const pad = new Pad(byId<HTMLCanvasElement>("pad"), (image) => told(() => ask(image))());
byId("clear").addEventListener("click", () => pad.clear());
byId("draw-ask").addEventListener("click", told(async () => pad.empty || ask(pad.image())));
let sample = 0;
byId("sample").addEventListener("click", told(() => ask(SAMPLES[sample++ % SAMPLES.length]!.image)));
byId("learn").addEventListener("click", telling((text) => (byId("learnt").textContent = text))(() => learn()));
byId("sit").addEventListener("click", sitDown);
byId("play").addEventListener("click", told(play));

async function play(): Promise<void> {
  const button = byId<HTMLButtonElement>("play");
  button.disabled = true;
  try {
    for (const { image } of SAMPLES) {
      await ask(image);
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  } finally {
    button.disabled = false;
  }
}

async function learn(options: LearnOptions = {}) {
  const edge = await element.ready;
  byId("learnt").textContent = "Learning …";
  const { plan: _plan, ...trained } = await edge.learn(options);
  return trained;
}

/** What the headless story drives; see the table in the web room's notes. */
const pyEdgeDemo = {
  ready: () => firstPrediction,
  pythonReady: async () => {
    const report = await element.learning;
    return { python_ready_ms: timings.python_ready_ms, python: report.python, py_edge: report.py_edge, steps: report.steps };
  },
  ask,
  /** audit: for all, or one per image; without it the page draws audits by itself. */
  askMany: async (images: number[][], options: { show?: boolean; audit?: boolean | boolean[] } = {}) => {
    const results = [];
    for (const [i, image] of images.entries()) {
      const audit = Array.isArray(options.audit) ? (options.audit[i] ?? false) : options.audit;
      results.push(await ask(image, { show: options.show ?? false, ...(audit === undefined ? {} : { audit }) }));
    }
    return results;
  },
  predictMany: async (images: number[][]) => (await element.ready).predictMany(Float32Array.from(images.flat()), images.length),
  answers: (after = 0) => ({ answers: answers.slice(after), next: answers.length }),
  waiting: async () => (await element.ready).counts(),
  ids: async () => (await (await element.ready).questions()).map(({ question, state, sent_ms, answered_ms }) => ({
      device: question.device, sequence: question.sequence, state, asked_ms: question.asked_at_ms, sent_ms, answered_ms,
    })),
  learn,
  certify: async () => (await element.ready).certify(),
  model: async () => {
    const edge = await element.ready;
    return { version: edge.info?.version, digest: edge.release?.digest, threshold: edge.info?.threshold, temperature: edge.info?.temperature, tuned: edge.tuned };
  },
  round: (round: Round) => {
    rounds.push(round);
    showCurve();
  },
  timings: () => timings,
  desk: useDesk,
};

declare global {
  interface Window {
    pyEdgeDemo: typeof pyEdgeDemo;
  }
}
window.pyEdgeDemo = pyEdgeDemo;

const story = query.get("story");
if (story !== null) told(() => follow(story, pyEdgeDemo))();
registerOffline();
