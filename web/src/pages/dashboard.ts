// The node at a glance, fed by SSE: three big numbers, the river, what waits, who answers, nodes, coverage. Unknown facts that a
// newer node sends are shown as they are.
import { toProblem, sentence } from "../problem.ts";
import { callNode } from "../wire.ts";
import { coverage, nodes, onTheWay, people, shortId, waiting } from "./board.ts";
import { type Series, ShareChart } from "./chart.ts";
import { byId, el, percent, telling } from "./dom.ts";
import { registerOffline } from "./offline.ts";
import { River } from "./river.ts";

type Status = Record<string, unknown>;

const STORED_POINTS = 60;
const POLL_MS = 2_000;
const origin = new URLSearchParams(location.search).get("origin") ?? ".";
const api = new URL("v1/", new URL(origin, document.baseURI)).href;
const history: Status[] = [];
const chart = new ShareChart("update", "Nothing yet: the first answer draws the first points.");
byId("curve").append(chart.node);
const river = new River();
byId("river").append(river.node);
const PANELS = { waiting, outbox: onTheWay, tree: nodes, certain: coverage, people };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const numbers = (value: unknown): [string, number][] => (isObject(value) ? Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number") : []);

function words(name: string): string {
  return name.replaceAll("_", " ").replace(/ (at )?m?s$/, "");
}

function show(status: Status): void {
  history.push(status);
  if (history.length > STORED_POINTS) history.shift();
  byId("state").textContent = `Live, ${new Date().toLocaleTimeString()}`;
  byId("trouble").hidden = true;
  const tiers = shares(status);
  byId("numbers").replaceChildren(
    ...big("answered without a person", tiers.length ? percent(1 - (tiers.find(([kind]) => kind === "person")?.[1] ?? 0)) : "none yet"),
    ...big("questions", String(total(status["questions"] ?? status["states"]))),
    ...big("models", models(status["models"])),
  );
  const told = history.filter((past) => shares(past).length);
  const names = [...new Set(told.flatMap((past) => shares(past).map(([name]) => name)))].sort();
  chart.draw(names.map((name, i) => ({ name: `answered by ${name}`, kind: kindOf(name, i), values: told.map((past) => Object.fromEntries(shares(past))[name] ?? 0) })));
  river.take(status);
  for (const [id, make] of Object.entries(PANELS)) keepOpen(byId(id), make(status, api));
  const plain = Object.entries(status).filter(([, value]) => typeof value !== "object" && value !== "");
  const rest = Object.entries(status).filter(([, value]) => typeof value === "object" && value !== null);
  byId("facts").replaceChildren(section("now", Object.fromEntries(plain)), ...rest.map(([name, value]) => section(name, value)));
}

const said = new WeakMap<HTMLElement, string>();

/** Replace what stands under the heading if it says something new; data that was unfolded stays so. */
function keepOpen(panel: HTMLElement, parts: Node[]): void {
  const text = parts.map((part) => part.textContent).join();
  if (said.get(panel) === text) return; // focus stays where it is
  said.set(panel, text);
  const open = panel.querySelector("details")?.open ?? false;
  panel.replaceChildren(panel.querySelector("h2")!, ...parts);
  const data = panel.querySelector("details");
  if (data) data.open = open;
}

function kindOf(name: string, index: number): Series["kind"] {
  if (name === "person") return "person";
  return (["site", "cloud", "device", "accuracy"] as const)[index % 4]!;
}

/** Share of answers by kind of place. */
function shares(status: Status): [string, number][] {
  const counts = numbers(status["answers"] ?? status["tiers"] ?? status["share_by_tier"] ?? status["answered_by"]);
  const sum = counts.reduce((all, [, count]) => all + count, 0);
  return sum ? counts.map(([name, count]) => [/person|99/.test(name) ? "person" : name, count / sum]) : [];
}

function total(value: unknown): number {
  return typeof value === "number" ? value : numbers(value).reduce((sum, [, count]) => sum + count, 0);
}

function models(value: unknown): string {
  const list = Array.isArray(value) ? value : isObject(value) ? Object.entries(value).map(([name, fact]) => (isObject(fact) ? { name, ...fact } : { name, version: fact })) : [];
  return list.map((entry) => (isObject(entry) ? `${String(entry["name"])} v${String(entry["version"])}` : String(entry))).join(", ") || "none yet";
}

function big(name: string, value: string): HTMLElement[] {
  return [el("div", { class: "big" }, el("dt", {}, name), el("dd", {}, value))];
}

function section(name: string, value: unknown): HTMLElement {
  if (Array.isArray(value)) return el("section", {}, el("h3", {}, words(name)), list(value, words(name)));
  if (!isObject(value)) return el("section", {}, el("h3", {}, words(name)), el("p", {}, cell(value)));
  const rows = Object.entries(value).map(([key, fact]) => el("tr", {}, el("th", { scope: "row" }, words(key)), el("td", {}, cell(fact, key))));
  return el("section", {}, el("h3", {}, words(name)), rows.length ? el("table", {}, el("tbody", {}, ...rows)) : el("p", { class: "hint" }, "none"));
}

function list(values: unknown[], name: string): HTMLElement {
  if (!values.length) return el("p", { class: "hint" }, "none");
  if (!values.every(isObject)) return el("p", {}, values.map((one) => cell(one)).join(", "));
  const columns = [...new Set(values.flatMap((value) => Object.keys(value)))].filter((column) => !["files", "metadata", "digest"].includes(column));
  const head = el("tr", {}, ...columns.map((column) => el("th", { scope: "col" }, words(column))));
  const rows = values.slice(0, 10).map((value) => el("tr", {}, ...columns.map((column) => el("td", { title: typeof value[column] === "string" ? value[column] : false }, cell(value[column], column)))));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${name} as a table` }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
}

function cell(value: unknown, name = ""): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number" && name.endsWith("_ms")) return value > 1e12 ? new Date(value).toLocaleTimeString() : `${Math.round(value)} ms`;
  if (typeof value === "number" && name.endsWith("_s")) return `${Math.round(value)} s`;
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(3);
  if (typeof value === "string") return value.length > 60 ? `${value.slice(0, 57)}…` : shortId(value);
  if (isObject(value)) return Object.entries(value).map(([key, fact]) => `${words(key)} ${cell(fact, key)}`).join(", ");
  return Array.isArray(value) ? value.map((one) => cell(one)).join(", ") : String(value);
}

async function look(): Promise<void> {
  try {
    show(await callNode<Status>(`${api}status`));
  } catch (error) {
    byId("state").textContent = history.length ? "not live" : "no node";
    byId("trouble").textContent = sentence(toProblem(error));
    byId("trouble").hidden = false;
  }
}

function listen(): void {
  const stream = new EventSource(`${api}status/stream`);
  let poll: ReturnType<typeof setInterval> | undefined;
  const take = (event: Event) => {
    clearInterval(poll);
    show(JSON.parse((event as MessageEvent<string>).data) as Status);
  };
  stream.addEventListener("status", take);
  stream.addEventListener("message", take);
  stream.addEventListener("error", () => {
    clearInterval(poll);
    poll = setInterval(look, POLL_MS);
  });
}

telling((text) => (byId("state").textContent = text))(() => look().then(listen))();
registerOffline();
