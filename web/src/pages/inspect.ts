// What is shipped, byte for byte, and what this site keeps on this device; one button leaves nothing.
import { askedAs, exportState, importState } from "../state.ts";
import { eraseEverything, storageReport } from "../storage.ts";
import { byId, el, followWidth, svg, telling } from "./dom.ts";
import { layersOf } from "./layers.ts";
import { registerOffline } from "./offline.ts";

interface Index {
  version: string;
  files: Record<string, [number, string]>;
}

interface Tile {
  name: string;
  bytes: number;
  x: number;
  y: number;
  width: number;
  height: number;
}

const HEIGHT = 420;
const WIDTHS: [number, number] = [240, 1200];
const KINDS: [RegExp, string][] = [[/python\.snapshot\.gz$/, "accuracy"], [/\/py_edge-[^/]*\.whl$/, "person"], [/^rt-|\.whl$/, "cloud"], [/^models\//, "site"], [/./, "device"]];
const KIND_NAMES: Record<string, string> = { cloud: "Python runtime and libraries", accuracy: "started Python's memory: runtime and ours", person: "our Python", site: "models", device: "pages, workers, executors" };

function size(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)}\u00a0MB` : bytes >= 1e3 ? `${(bytes / 1e3).toFixed(0)}\u00a0kB` : `${bytes}\u00a0B`;
}

/** Slice and dice: the larger half of the bytes on one side, alternating; small and good enough for thirty files. */
function layOut(items: [string, number][], x: number, y: number, width: number, height: number): Tile[] {
  const total = items.reduce((sum, [, bytes]) => sum + bytes, 0);
  if (!items.length || !total) return [];
  if (items.length === 1) return [{ name: items[0]![0], bytes: items[0]![1], x, y, width, height }];
  let cut = 0;
  let first = 0;
  while (cut < items.length - 1 && (cut === 0 || first + items[cut]![1] / 2 < total / 2)) first += items[cut++]![1];
  const share = first / total;
  const [head, tail] = [items.slice(0, cut), items.slice(cut)];
  return width > height
    ? [...layOut(head, x, y, width * share, height), ...layOut(tail, x + width * share, y, width * (1 - share), height)]
    : [...layOut(head, x, y, width, height * share), ...layOut(tail, x, y + height * share, width, height * (1 - share))];
}

const FONTS: [string, number, number][] = [["on-mark", 9, 18], ["on-mark small", 7.2, 15]]; // class, widest letter, line

/** A tile's name and size in the larger letters that fit, else what fits of them in the smaller; nothing where that tells nothing. */
function labelled({ name, bytes, x, y, width, height }: Tile): SVGElement[] {
  const lines = [name.split("/").at(-1)!, size(bytes)];
  const fits = ([, letter, line]: [string, number, number]) => width > letter * lines[0]!.length + 12 && height > 2 * line + 6;
  const [kind, letter, line] = FONTS.find(fits) ?? FONTS.at(-1)!;
  const room = Math.floor((width - 12) / letter);
  if (room < 7 || height < 2 * line + 6) return [];
  const cut = (text: string) => (text.length > room ? `${text.slice(0, room - 1)}…` : text);
  return lines.map((text, i) => svg("text", { x: x + 8, y: y + 3 + line * (i + 1), class: kind }, cut(text)));
}

const map = svg("svg", { class: "chart treemap", role: "img", "aria-label": "every byte shipped, as areas; the table below says the same" });

function drawMap(files: [string, number][], width: number): void {
  const tiles = layOut(files, 0, 0, width, HEIGHT);
  map.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  map.replaceChildren();
  for (const tile of tiles) {
    const { name, bytes, x, y, width, height } = tile;
    const kind = KINDS.find(([pattern]) => pattern.test(name))![1];
    const group = svg("g", { class: kind }, svg("title", {}, `${name}: ${size(bytes)}`), svg("rect", { x: x + 1, y: y + 1, width: Math.max(0, width - 2), height: Math.max(0, height - 2), class: "mark" }));
    group.append(...labelled(tile));
    map.append(group);
  }
}

async function showShipped(): Promise<void> {
  const index = (await (await fetch("bundle.json")).json()) as Index;
  const files = Object.entries(index.files).map(([name, [bytes]]): [string, number] => [name, bytes]).sort((a, b) => b[1] - a[1]);
  const total = files.reduce((sum, [, bytes]) => sum + bytes, 0);
  byId("total").textContent = `${files.length} files, ${size(total)}, version ${index.version}. Pages answer after the model, one executor and ${size(index.files["py-edge.js"]?.[0] ?? 0)} of script; Python comes later, if at all.`;
  followWidth(map, WIDTHS, (width) => drawMap(files.filter(([, bytes]) => bytes > total / 5000), width));
  byId("map").append(map, el("ul", { class: "legend" }, ...Object.entries(KIND_NAMES).map(([kind, name]) => el("li", { class: kind }, svg("svg", { viewBox: "-6 -6 12 12", class: "key", "aria-hidden": "true" }, svg("rect", { x: -5, y: -5, width: 10, height: 10, class: "mark" })), name))));
  const rows = Object.entries(index.files).map(([name, [bytes, sha256]]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "number" }, size(bytes)), el("td", {}, el("code", {}, sha256.slice(0, 16)))));
  byId("files").append(el("thead", {}, el("tr", {}, ...["file", "size", "sha256"].map((name) => el("th", { scope: "col", class: name === "size" && "number" }, name)))), el("tbody", {}, ...rows));
}

/** A table for each model that this folder ships; a node's models are not in it. */
async function showLayers(): Promise<void> {
  const index = (await (await fetch("bundle.json")).json()) as Index;
  const paths = Object.keys(index.files).filter((name) => /^models\/.*model\.json$/.test(name));
  byId("layers-total").textContent = paths.length ? "" : "This folder ships no model; the node that serves it brings its own.";
  for (const path of paths) {
    const layers = layersOf((await (await fetch(path)).json()) as Parameters<typeof layersOf>[0]);
    const rows = layers.map(({ name, kind, weights, parameters }) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, kind), el("td", {}, weights), el("td", { class: "number" }, parameters.toLocaleString("en"))));
    const total = layers.reduce((sum, { parameters }) => sum + parameters, 0);
    const caption = `${path.split("/").slice(1, -1).join("/")}: ${layers.length} layers, ${total.toLocaleString("en")} parameters`;
    byId("layers").append(el("table", {}, el("caption", { class: "hint" }, caption), el("thead", {}, el("tr", {}, ...["layer", "kind", "weights", "parameters"].map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows)));
  }
}

async function showKept(): Promise<void> {
  const kept = await storageReport();
  const rows = kept.map(({ place, name, size: amount, unit }) => el("tr", {}, el("th", { scope: "row" }, place), el("td", {}, name), el("td", {}, unit === "bytes" ? size(amount) : `${amount} entries`)));
  byId("kept").replaceChildren(el("tbody", {}, ...rows));
  const estimate = await navigator.storage?.estimate?.();
  byId("kept-total").textContent = kept.length ? `In all ${size(estimate?.usage ?? 0)} on this device.` : "Nothing is kept on this device.";
}

const say = (text: string) => (byId("kept-total").textContent = text);
const told = telling(say);

byId("erase").addEventListener("click", told(async () => {
  const button = byId<HTMLButtonElement>("erase");
  button.disabled = true;
  try {
    const asked = await askedAs();
    await eraseEverything();
    await showKept();
    const above = asked.map((id) => ` py-edge erase URL ${id}`).join(";");
    say(`Everything was erased on this device. Close other tabs of this site: they may still write.${above && ` What it asked stays at its node, until somebody there erases that too:${above}`}`);
  } finally {
    button.disabled = false;
  }
}));

byId("export").addEventListener("click", told(async () => {
  const url = URL.createObjectURL(await exportState());
  el("a", { href: url, download: "py-edge-state.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}));

byId<HTMLInputElement>("import").addEventListener("change", told(async () => {
  const file = byId<HTMLInputElement>("import").files?.[0];
  if (!file) return;
  const rows = await importState(file);
  await showKept();
  say(`${rows} entries were taken in. Pages that are open show them after a reload.`);
}));

telling((text) => (byId("total").textContent = text))(showShipped)();
telling((text) => (byId("layers-total").textContent = text))(showLayers)();
registerOffline(told(showKept));
