// Two to four classes of small pictures, taught from nothing in this tab, tried at once, taken away as TF.js files; or the
// classes of a Teachable Machine zip, whose net goes on learning here.
import { best, Classroom, type Decided, type Fitted, type Imported, type Lessons } from "./classroom.ts";
import { openCamera, type Camera } from "./camera.ts";
import { byId, el, percent, telling } from "./dom.ts";
import { EdgeError } from "../problem.ts";
import { LossChart } from "./loss.ts";
import { registerOffline } from "./offline.ts";
import { moved, paintTile, PIXELS, readPicture, readTile, SAMPLE_NAMES, sampleTiles, type Tile } from "./tiles.ts";

const HIDDEN = [32];
const BATCH = 16;
const STEPS = 240;
const LEAST_EPOCHS = 24;
const STEP_EPOCHS = 1;
const SAMPLES = 10;
const FRESH = 20;
const FRAME_MS = 120;
const MOST_GROUPS = 4;
const MOST_TILES = 100;
const MOST_ZIP = 64 << 20;
const THRESHOLD = 0.8;
const SHIFTS: [number, number][] = [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]];

interface Group {
  name: string;
  tiles: Tile[];
}

let groups: Group[] = [];
let trained: string[] = [];
let fitted: Fitted | null = null;
let fresh: number | null = null;
let tried: { tile: Tile; decided: Decided } | null = null;
let seed = 100;
let busy = false;
let links: string[] = [];
let imported: Imported | null = null;
let camera: Camera | null = null;
/** What an imported net sees in a picture; computed once, for its features do not learn. */
const features = new WeakMap<Tile, Float32Array>();

const room = new Classroom(({ done, total }) => {
  if (done < total) byId("python").textContent = `Python is starting: ${percent(done / total)}`;
});
const isReady = room.ready();
isReady.then(
  () => (byId("python").textContent = "Python is here; the net trains in this tab."),
  (error: EdgeError) => (byId("python").textContent = `The net cannot be trained here: ${error.message}`),
);

const bar = byId<HTMLProgressElement>("bar");
const curve = new LossChart();
byId("learning").append(curve.node);

const say = (text: string) => (byId("says").textContent = text);
const told = telling(say);

// ---- the classes ----

function addGroup(): void {
  if (groups.length < MOST_GROUPS) groups.push({ name: SAMPLE_NAMES[groups.length]!, tiles: [] });
  showGroups();
}

function addTiles(group: Group, tiles: Tile[]): void {
  group.tiles = [...group.tiles, ...tiles].slice(-MOST_TILES);
  showGroups();
}

async function read(source: ImageBitmapSource): Promise<Tile> {
  const tile = await readTile(source);
  if (imported) features.set(tile, await room.features(await readPicture(source, imported.side, imported.channels)));
  return tile;
}

async function addFiles(group: Group, files: Iterable<File>): Promise<void> {
  const refused: string[] = [];
  for (const file of files) await read(file).then((tile) => addTiles(group, [tile]), () => refused.push(file.name));
  say(refused.length ? `Not a picture that this browser reads: ${refused.join(", ")}.` : `${group.name}: ${group.tiles.length} pictures.`);
}

const frame = () => new Promise((resolve) => setTimeout(resolve, FRAME_MS));

/** Hold a thing before the camera for a second: `SAMPLES` pictures of it, while the card shows what is seen. */
async function record(group: Group, index: number): Promise<void> {
  busy = true;
  stopTrying();
  showGroups();
  try {
    const { video, close } = await openCamera();
    byId("groups").children[index]!.querySelector(".tiles")!.replaceChildren(video);
    const tiles: Tile[] = [];
    try {
      for (; tiles.length < SAMPLES; await frame()) tiles.push(await read(video));
    } finally {
      close();
    }
    addTiles(group, tiles);
    say(`${group.name}: ${group.tiles.length} pictures.`);
  } finally {
    busy = false;
    showGroups();
  }
}

function showGroup(group: Group, index: number): HTMLElement {
  const name = el("input", { type: "text", value: group.name, maxlength: 24, readonly: imported !== null, "aria-label": `name of class ${index + 1}`, onchange: () => (group.name = name.value.trim() || `class ${index + 1}`) });
  const picker: HTMLInputElement = el("input", { disabled: busy, type: "file", accept: "image/*", multiple: true, "aria-label": `pictures for class ${index + 1}`, onchange: told(() => addFiles(group, picker.files ?? [])) });
  const tiles = el("div", { class: "tiles", role: "img", "aria-label": `${group.tiles.length} pictures of class ${index + 1}` });
  for (const tile of group.tiles.slice(-20)) {
    const canvas = el("canvas", { class: "digit thumb" });
    paintTile(canvas, tile);
    tiles.append(canvas);
  }
  const sample = el("button", { disabled: busy || imported !== null, type: "button", "aria-label": `add ${SAMPLES} samples to class ${index + 1}`, onclick: () => addTiles(group, sampleTiles(SAMPLE_NAMES[index]!, SAMPLES, ++seed)) }, `Add ${SAMPLES} samples`);
  const shoot = el("button", { disabled: busy, type: "button", "aria-label": `record ${SAMPLES} pictures of class ${index + 1}`, onclick: told(() => record(group, index)) }, `Record ${SAMPLES}`);
  const empty = el("button", { disabled: busy, type: "button", "aria-label": `empty class ${index + 1}`, onclick: () => addTiles({ ...group }, (group.tiles = [])) }, "Empty");
  const box = el("section", {
    class: "card", "aria-label": `class ${index + 1}`,
    ondragover: (event) => event.preventDefault(),
    ondrop: (event) => {
      event.preventDefault();
      told(() => addFiles(group, (event as DragEvent).dataTransfer?.files ?? []))();
    },
  }, el("div", { class: "row" }, name, el("span", { class: "hint" }, `${group.tiles.length} pictures`), empty), tiles, el("div", { class: "row" }, picker, sample, shoot));
  return box;
}

function showGroups(): void {
  byId("groups").replaceChildren(...groups.map(showGroup));
  showTell();
  byId<HTMLButtonElement>("add").disabled = busy || imported !== null || groups.length >= MOST_GROUPS;
  byId<HTMLButtonElement>("remove").disabled = busy || imported !== null || groups.length <= 2;
  byId<HTMLButtonElement>("train").disabled = byId<HTMLButtonElement>("play").disabled = busy;
  byId("format").textContent = `TF.js layers format: ${imported ? `pictures of ${imported.side} by ${imported.side} pixels, -1 black to 1 white` : "input of 256 values, 16 by 16 pixels row after row, 0 black to 1 white"}; labels are in model.json.`;
  byId<HTMLInputElement>("zip").disabled = busy;
  byId<HTMLButtonElement>("export").disabled = byId<HTMLInputElement>("try-file").disabled = byId<HTMLButtonElement>("try-camera").disabled = busy || !(fitted || imported);
  byId<HTMLButtonElement>("try-sample").disabled = busy || !fitted || imported !== null;
}

// ---- learning and trying ----

const variantsOf = () => (imported ? 1 : SHIFTS.length);

function lessons(): Lessons {
  const variants = (tile: Tile) => (imported ? [features.get(tile)!] : SHIFTS.map(([dx, dy]) => moved(tile, dx, dy)));
  const rows = groups.flatMap(({ tiles }, label) => tiles.flatMap((tile) => variants(tile).map((row) => ({ row, label }))));
  const width = rows[0]!.row.length;
  const inputs = new Float32Array(rows.length * width);
  rows.forEach(({ row }, i) => inputs.set(row, i * width));
  return { inputs, labels: Int32Array.from(rows, ({ label }) => label) };
}

async function train(): Promise<void> {
  if (busy) return;
  const poor = groups.findIndex(({ tiles }) => tiles.length < 2);
  if (poor >= 0) {
    say(`Class ${poor + 1} needs at least two pictures.`);
    return;
  }
  busy = true;
  showGroups();
  try {
    await isReady;
    trained = groups.map(({ name }) => name);
    if (!imported) await room.open({ inputs: PIXELS, hidden: HIDDEN, labels: trained, options: { activation: "relu", learning_rate: 0.003 } });
    const given = lessons();
    await room.know(given, variantsOf());
    const epochs = Math.max(LEAST_EPOCHS, Math.ceil((STEPS * BATCH) / given.labels.length / STEP_EPOCHS) * STEP_EPOCHS);
    bar.hidden = false;
    const quarter = Math.ceil(epochs / STEP_EPOCHS / 4) * STEP_EPOCHS;
    for (let epoch = 0; epoch < epochs; epoch += STEP_EPOCHS) {
      if (epoch % quarter === 0) say(`Training: ${epoch} of ${epochs} epochs.`); // heard, not only seen; seldom enough
      fitted = await room.fit(given, STEP_EPOCHS);
      bar.value = (epoch + STEP_EPOCHS) / epochs;
      curve.add({ epoch: epoch + STEP_EPOCHS - 1, epochs, step: 0, steps: 1, loss: fitted.loss }, fitted.accuracy);
      if (tried) await showTried(tried.tile);
    }
    curve.finish();
    say(`Learnt: ${percent(fitted!.accuracy)} of the pictures shown are told apart after ${epochs} epochs.`);
  } catch (error) {
    say(`Training stopped: ${(error as Error).message}`);
  } finally {
    busy = false;
    bar.hidden = true;
    showGroups();
  }
}

async function showTried(tile: Tile): Promise<void> {
  const decided = await room.decide(features.get(tile) ?? tile, THRESHOLD);
  tried = { tile, decided };
  paintTile(byId<HTMLCanvasElement>("now"), tile);
  const { label, label_index, confidence, defer, novel, probabilities } = decided;
  // What a new thing looks like to the net is no share of anything: it shrinks to how usual the thing is.
  const shares = novel ? probabilities.map((share) => (share * confidence) / probabilities[label_index]!) : probabilities;
  const rows: [string, number][] = trained.map((name, i) => [name, shares[i]!]);
  if (novel) rows.push(["none of these", 1 - shares.reduce((a, b) => a + b, 0)]);
  byId("bars").replaceChildren(...rows.map(([name, share], i) => {
    const fill = el("span", { class: "fill" });
    fill.style.setProperty("--share", String(share));
    return el("li", i === (novel ? trained.length : label_index) ? { class: "best" } : {}, el("span", { class: "name" }, name), el("span", { class: "track" }, fill), el("span", { class: "value" }, percent(share)));
  }));
  const sure = `${label} (${percent(confidence)})`;
  byId("verdict").textContent = novel ? "I have not seen anything like this. What is it?" : defer ? `Not sure: perhaps ${sure}. What is it?` : `It is ${sure}`;
  byId("tell").hidden = !defer;
}

/** You are the person whom it asks: the picture becomes one of your class's, and is learnt with the next training. */
function tellIt(group: Group): void {
  addTiles(group, [tried!.tile]);
  byId("tell").hidden = true;
  byId("verdict").textContent = `Kept as ${group.name}; train again to learn it.`;
}

function showTell(): void {
  const answers = groups.map((group) => el("button", { type: "button", disabled: busy, onclick: () => tellIt(group) }, group.name));
  const other = el("button", { type: "button", disabled: busy || imported !== null || groups.length >= MOST_GROUPS, onclick: () => {
    addGroup();
    tellIt(groups.at(-1)!);
  } }, "a new class");
  byId("tell").replaceChildren(...answers, other);
}

/** How many of `FRESH` new sample tiles of each class are told right. */
async function measure(): Promise<number> {
  let right = 0;
  for (const [label] of trained.entries()) {
    const tiles = sampleTiles(SAMPLE_NAMES[label]!, FRESH, 9000 + label);
    const inputs = new Float32Array(FRESH * PIXELS);
    tiles.forEach((tile, i) => inputs.set(tile, i * PIXELS));
    const probabilities = await room.predict(inputs, FRESH);
    for (let i = 0; i < FRESH; i++) if (best(probabilities, trained.length, i)[0] === label) right++;
  }
  return right / (FRESH * trained.length);
}

const trySample = () => showTried(sampleTiles(SAMPLE_NAMES[++seed % trained.length]!, 1, seed * 31)[0]!);

/** What the camera sees, told again and again until the same button is pressed once more. */
async function tryCamera(): Promise<void> {
  if (camera) return stopTrying();
  const mine = (camera = await openCamera());
  byId("try-camera").textContent = "Stop the camera";
  try {
    for (; camera === mine; await frame()) await showTried(await read(mine.video));
  } finally {
    if (camera === mine) stopTrying();
  }
}

function stopTrying(): void {
  camera?.close();
  camera = null;
  byId("try-camera").textContent = "Try the camera";
}

/** The classes of a zip in place of these; what was taught before is gone once the zip is in. */
async function importZip(file: File): Promise<void> {
  if (file.size > MOST_ZIP) throw new EdgeError({ code: "E_LIMIT", message: "the zip is too large", where: file.name, got: file.size, want: `<= ${MOST_ZIP} bytes` });
  busy = true;
  showGroups();
  try {
    await isReady;
    imported = await room.import(await file.arrayBuffer());
    [fitted, fresh, tried, trained] = [null, null, null, imported.labels];
    groups = trained.map((name) => ({ name, tiles: [] }));
    byId("bars").replaceChildren();
    byId("tell").hidden = true;
    byId("verdict").textContent = "Nothing yet";
    say(`${file.name}: ${trained.join(", ")}. Try a file, or give each class pictures and train on.`);
  } finally {
    busy = false;
    showGroups();
  }
}

async function play(): Promise<void> {
  imported = null;
  groups = SAMPLE_NAMES.slice(0, 3).map((name) => ({ name, tiles: sampleTiles(name, SAMPLES, ++seed) }));
  fresh = null;
  await train();
  if (!fitted) return;
  await trySample();
  fresh = await measure();
  say(`Learnt from ${SAMPLES} pictures of each class; of ${FRESH * trained.length} new ones ${percent(fresh)} are told right.`);
}

async function exportFiles(): Promise<void> {
  for (const link of links) URL.revokeObjectURL(link);
  const files = await room.files();
  links = [];
  byId("files").replaceChildren(...Object.entries(files).map(([path, bytes]) => {
    const href = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    links.push(href);
    return el("li", {}, el("a", { href, download: path }, path), ` ${bytes.length} bytes`);
  }));
}

byId("add").addEventListener("click", addGroup);
byId("remove").addEventListener("click", () => {
  groups.pop();
  showGroups();
});
byId("train").addEventListener("click", told(train));
byId("play").addEventListener("click", told(play));
byId("try-sample").addEventListener("click", told(trySample));
byId("try-camera").addEventListener("click", told(tryCamera));
byId("export").addEventListener("click", told(exportFiles));
byId<HTMLInputElement>("try-file").addEventListener("change", told(async () => {
  const file = byId<HTMLInputElement>("try-file").files?.[0];
  if (file) await showTried(await read(file));
}));
byId<HTMLInputElement>("zip").addEventListener("change", told(async () => {
  const file = byId<HTMLInputElement>("zip").files?.[0];
  if (file) await importZip(file);
}));

Object.assign(window, { pyEdgeTeach: { state: () => ({ classes: groups.map(({ name, tiles }) => [name, tiles.length]), busy, ...fitted, fresh, tried: tried?.decided ?? null }) } });
addGroup();
addGroup();
registerOffline();
