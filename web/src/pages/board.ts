// Panels of the dashboard made from one status: bars or a tree to look at, a sentence that says it, the data as a table.
import { el, percent } from "./dom.ts";

export type Status = Record<string, unknown>;
type Fact = Record<string, unknown>;

export const count = (value: unknown) => (typeof value === "number" ? value : 0);
export const sum = (value: unknown) => Object.values((value ?? {}) as Fact).reduce((all: number, each) => all + count(each), 0);
const list = (value: unknown) => (Array.isArray(value) ? (value as Fact[]) : []);
const ago = (status: Status, at: unknown) => `${Math.max(0, Math.round((count(status["now_ms"]) - count(at)) / 1000))} s ago`;
export const wait = (seconds: unknown) => (typeof seconds === "number" ? (seconds < 1 ? "under 1 s" : `about ${Math.round(seconds)} s`) : "wait unknown");

/** A table that scrolls by itself where it is wider than its room. */
function table(name: string, columns: string[], rows: HTMLTableSectionElement): HTMLElement {
  const head = el("thead", {}, el("tr", {}, ...columns.map((column) => el("th", { scope: "col" }, column))));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, el("table", {}, head, rows));
}

/** Numbers behind a picture, folded away. */
export function dataTable(name: string, columns: string[], rows: HTMLTableSectionElement): HTMLElement {
  return el("details", {}, el("summary", {}, "Data"), table(`${name}: data`, columns, rows));
}

/** Of a question's id what differs: the device's first letters and the sequence. */
export const shortId = (question: string) => question.replace(/^([0-9a-f]{8})[0-9a-f]{24}\//, "$1…/");

/** The next places of the queue, each with its history one click away, and how long that takes. */
export function waiting(status: Status, api: string): HTMLElement[] {
  const rows = list(status["waiting"]).map((one) => [String(one["question"]), one["place"] === null ? "unknown" : String(one["place"]), wait(one["estimate_s"])]);
  const all = count(((status["questions"] ?? {}) as Fact)["queued"]);
  const first = rows[0] ? ` The first: ${rows[0][1]} before it, ${rows[0][2]}.` : "";
  const shown = rows.map(([question, place, time]) => el("li", {}, el("a", { href: `${api}questions/${question!}`, title: question! }, shortId(question!)), el("span", {}, `${place} before it`), el("span", { class: "state hint" }, time!)));
  return [el("ol", { class: "questions person" }, ...shown), said(all ? `${all} wait.${first}` : "Nothing waits."), dataTable("waiting places", ["question", "before it", "wait"], body(rows))];
}

/** Questions on their way up and answers on their way down. */
export function onTheWay(status: Status): HTMLElement[] {
  const sizes = { outbox: status["outbox"], retrying: status["outbox_retrying"], "answers not yet taken": status["unacknowledged"], refused: status["dead_letters"] };
  const pairs = Object.entries(sizes).map(([name, value]): [string, number] => [name, count(value)]);
  const most = Math.max(1, ...pairs.map(([, value]) => value));
  const oldest = count(status["outbox_oldest_ms"]);
  const words = pairs.map(([name, value]) => `${name} ${value}`).join(", ");
  const missing = count(status["missing"]);
  const gap = missing ? [said(`${missing} ${missing === 1 ? "question is" : "questions are"} ended at the parent and not known here: this node has a new disk or an older backup. They come home when their devices ask again.`)] : [];
  return [bars(pairs.map(([name, value]) => [name, value / most, String(value)])), said(`${words}${oldest ? `; the oldest has waited ${Math.round(oldest / 1000)} s` : ""}.`), ...gap, dataTable("on the way", ["place", "size"], body(pairs))];
}

/** The parent above this node, and the children heard below it. */
export function nodes(status: Status): HTMLElement[] {
  const parent = status["parent"] as Fact | null;
  const asked = (status["asked_by_child"] ?? {}) as Fact;
  const children = list(status["children"]).map((child) => [String(child["name"]), ago(status, child["seen_ms"]), count(asked[String(child["name"])])] as const);
  const above = parent ? `${String(parent["url"])} (${count(parent["failures"]) ? `${count(parent["failures"])} failures` : "in reach"})` : "no parent: people answer here";
  const below = children.map(([name, seen, n]) => el("li", {}, el("b", {}, name), ` heard ${seen}, asked ${n}`));
  const here = el("li", {}, el("b", {}, String(status["name"])), " this node", el("ul", {}, ...below));
  const rows = children.map(([name, seen, n]) => [name, seen, n]);
  return [el("ul", { class: "tree" }, el("li", {}, above, el("ul", {}, here))), said(`${parent ? "One parent" : "No parent"}; children heard: ${children.length}.`), dataTable("nodes", ["child", "heard", "asked"], body(rows))];
}

/** Who votes at the desk, and how far each can be trusted as gold and the others' votes tell. */
export function people(status: Status): HTMLElement[] {
  const all = list(status["annotators"]);
  if (!all.length) return [said("Nobody has voted yet.")];
  const share = (value: unknown) => (typeof value === "number" ? percent(value) : "–");
  const rows = all.map((one) => [String(one["name"]), count(one["votes"]), count(one["judged"]), count(one["gold"]), share(one["agreement"]), share(one["skill"])]);
  const judged = all.filter((one) => one["judged"]).length;
  return [table("votes and trust", ["person", "votes", "judged", "on gold", "agrees", "trusted"], body(rows)), said(`${judged} of ${all.length} judged so far: on gold, and where several vote, by all the votes together. Newcomers are trusted as if they had 4 of 5 right.`)];
}

/** What each model answers alone, and how often at most it is wrong there, as audits certify it. */
export function coverage(status: Status): HTMLElement[] {
  const certified = list(status["models"]).flatMap((model) => (model["certificate"] ? [{ name: `${String(model["name"])} v${String(model["version"])}`, ...(model["certificate"] as Fact) } as Fact] : []));
  const back = list(status["gates"]).find((one) => one["decision"] === "rolled_back");
  const event = back ? [said(`${String(back["name"])} v${String(back["from_version"])} was taken back, v${String(back["version"])} is v${String(back["to_version"])} again: ${String(back["reason"])}.`)] : [];
  if (!certified.length) return [said(`Tier ${count(status["level"])}: no audits have certified a model yet.`), ...event];
  const shares = certified.flatMap((one): [string, number, string][] => [
    [`${String(one["name"])} answers`, count(one["coverage"]), percent(count(one["coverage"]))],
    ["wrong at most", count(one["bound"]), percent(count(one["bound"]))],
  ]);
  const rows = certified.map((one) => [String(one["name"]), count(one["n"]), percent(count(one["coverage"])), count(one["errors"]), percent(count(one["bound"]))]);
  const words = rows.map(([name, n, share, , risk]) => `${name} answers ${share}, wrong at most ${risk} (${n} audits)`);
  return [bars(shares), said(`Tier ${count(status["level"])}: ${words.join("; ")}.`), ...event, dataTable("coverage and risk", ["model", "audits", "coverage", "errors", "risk at most"], body(rows))];
}

function said(words: string): HTMLElement {
  return el("p", { class: "hint" }, words);
}

/** Set from script: a strict policy forbids style attributes. */
function filled(share: number): HTMLElement {
  const fill = el("span", { class: "fill" });
  fill.style.setProperty("--share", String(share));
  return fill;
}

function bars(rows: [string, number, string][]): HTMLElement {
  const bar = ([name, share, value]: [string, number, string]) =>
    el("li", {}, el("span", { class: "name" }, name), el("span", { class: "track" }, filled(share)), el("span", { class: "value" }, value));
  return el("ul", { class: "bars named sizes" }, ...rows.map(bar));
}

function body(rows: (string | number)[][]): HTMLTableSectionElement {
  return el("tbody", {}, ...rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, String(first)), ...rest.map((value) => el("td", {}, String(value))))));
}
