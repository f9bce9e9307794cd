// Points in a square, a small net that learns to tell them apart in Python in this tab, and its boundary as it moves.
import type { EdgeError } from "../edge.ts";
import { best, Classroom, type Fitted } from "./classroom.ts";
import { byId, percent, telling } from "./dom.ts";
import { registerOffline } from "./offline.ts";
import { CELLS, gridInputs, KINDS, paintScene, type Point, PRESETS } from "./points.ts";

const HIDDEN = [12, 12];
const STEP_EPOCHS = 4;
const PLAY_EPOCHS = 200;
const MOST_POINTS = 400;
const MOVE = 0.05;
const NEAR = 0.12;

const canvas = byId<HTMLCanvasElement>("square");
const trainButton = byId<HTMLButtonElement>("train");
const thresholdInput = byId<HTMLInputElement>("threshold");
const grid = gridInputs();
let points: Point[] = [];
let answers: [number, number][] | null = null;
let fitted: Fitted | null = null;
let opened = false;
let running = false;
let cursor: { x: number; y: number } | null = null;
let work: Promise<void> = Promise.resolve();

const room = new Classroom(({ done, total }) => {
  if (!fitted && done < total) byId("python").textContent = `Python is starting: ${percent(done / total)}`;
});
const isReady = room.ready().then(
  () => {
    byId("python").textContent = "Python is here; the net trains in this tab.";
    trainButton.disabled = false;
  },
  (error: EdgeError) => (byId("python").textContent = `The net cannot be trained here: ${error.message}`),
);

const told = telling((text) => (byId("says").textContent = text));

// ---- what the page shows ----

const threshold = () => Number(thresholdInput.value) / 100;
const askShare = () => (answers ? answers.filter(([, confidence]) => confidence < threshold()).length / answers.length : 1);

function paint(): void {
  paintScene(canvas, { points, answers, threshold: threshold(), cursor });
  byId("threshold-says").textContent = percent(threshold());
  byId("epochs").textContent = String(fitted?.epoch ?? 0);
  byId("loss").textContent = fitted ? fitted.loss.toFixed(3) : "–";
  byId("right").textContent = fitted ? percent(fitted.accuracy) : "–";
  byId("asks").textContent = answers ? percent(askShare()) : "–";
}

function say(): void {
  const of = KINDS.map((kind, label) => [kind, points.filter((point) => point.label === label).length] as const).filter(([, count]) => count);
  const shown = of.length ? of.map(([kind, count]) => `${count} ${kind}${count === 1 ? "" : "s"}`).join(", ") : "No points yet";
  const learnt = fitted && answers ? ` After ${fitted.epoch} epochs ${percent(fitted.accuracy)} of them are told apart; it would ask in ${percent(askShare())} of the square.` : "";
  byId("says").textContent = `${shown}.${learnt}`;
}

// ---- points ----

const chosen = () => Number(document.querySelector<HTMLInputElement>('input[name="class"]:checked')!.value);

function place(x: number, y: number): void {
  if (points.length < MOST_POINTS) points.push({ x: Math.max(-1, Math.min(1, x)), y: Math.max(-1, Math.min(1, y)), label: chosen() });
  paint();
  say();
}

function removeNear(x: number, y: number): void {
  const distance = (point: Point) => Math.hypot(point.x - x, point.y - y);
  const nearest = points.toSorted((a, b) => distance(a) - distance(b))[0];
  if (nearest && distance(nearest) < NEAR) points = points.filter((point) => point !== nearest);
  paint();
  say();
}

function setPoints(next: Point[]): void {
  points = next;
  told(restart)();
}

canvas.addEventListener("pointerdown", (event) => {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2];
  cursor = null;
  if (event.button === 2) removeNear(x, y);
  else place(x, y);
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("keydown", (event) => {
  const moves: Record<string, [number, number]> = { ArrowLeft: [-MOVE, 0], ArrowRight: [MOVE, 0], ArrowUp: [0, MOVE], ArrowDown: [0, -MOVE] };
  const move = moves[event.key];
  const at = cursor ?? { x: 0, y: 0 };
  if (move) cursor = { x: Math.max(-1, Math.min(1, at.x + move[0])), y: Math.max(-1, Math.min(1, at.y + move[1])) };
  else if (event.key === " " || event.key === "Enter") place(at.x, at.y);
  else if (event.key === "Delete" || event.key === "Backspace") removeNear(at.x, at.y);
  else if (/^[123]$/.test(event.key)) byId<HTMLInputElement>(`class-${Number(event.key) - 1}`).checked = true;
  else return;
  event.preventDefault();
  paint();
});
canvas.addEventListener("focus", () => {
  if (canvas.matches(":focus-visible")) cursor ??= { x: 0, y: 0 };
  paint();
});
canvas.addEventListener("blur", () => {
  cursor = null;
  paint();
});
for (const name of Object.keys(PRESETS)) byId(`preset-${name}`).addEventListener("click", () => setPoints(PRESETS[name]!()));
byId("clear").addEventListener("click", () => setPoints([]));
thresholdInput.addEventListener("input", () => {
  paint();
  say();
});

// ---- training ----

/** A few epochs, then the whole square anew; one after the other, so that a restart never meets a step half done. */
function step(): Promise<void> {
  const run = work.then(async () => {
    if (!points.length) return;
    if (!opened) {
      await room.open({ inputs: 2, hidden: HIDDEN, labels: [...KINDS], options: { learning_rate: 0.01 } });
      opened = true;
    }
    const lessons = { inputs: Float32Array.from(points.flatMap(({ x, y }) => [x, y])), labels: Int32Array.from(points, (point) => point.label) };
    fitted = await room.fit(lessons, STEP_EPOCHS);
    const probabilities = await room.predict(grid, CELLS * CELLS);
    answers = Array.from({ length: CELLS * CELLS }, (_, i) => best(probabilities, KINDS.length, i));
    paint();
    if (fitted.epoch % 40 === 0) say();
  });
  work = run.catch(() => undefined);
  return run;
}

function setRunning(on: boolean): void {
  running = on;
  trainButton.textContent = on ? "Pause" : "Train";
  if (!on) say();
}

async function train(until = Infinity): Promise<void> {
  if (running) return;
  if (!points.length) {
    byId("says").textContent = "Place some points first, or take a ready-made set.";
    return;
  }
  await isReady;
  setRunning(true);
  try {
    while (running && points.length && (fitted?.epoch ?? 0) < until) {
      await step();
      await new Promise(requestAnimationFrame);
    }
  } catch (error) {
    byId("python").textContent = `Training stopped: ${(error as Error).message}`;
  } finally {
    setRunning(false);
  }
}

/** Forget what was learnt; the points stay. */
async function restart(): Promise<void> {
  running = false;
  await work;
  [fitted, answers, opened] = [null, null, false];
  paint();
  say();
}

async function play(): Promise<void> {
  const button = byId<HTMLButtonElement>("play");
  button.disabled = true;
  await restart();
  points = PRESETS["moons"]!();
  paint();
  await train(PLAY_EPOCHS);
  button.disabled = false;
}

trainButton.addEventListener("click", () => (running ? setRunning(false) : told(train)()));
byId("restart").addEventListener("click", told(restart));
byId("play").addEventListener("click", told(play));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

Object.assign(window, {
  pyEdgePlayground: { state: () => ({ points: points.length, running, ...fitted, asks: askShare(), answers }) },
});

paint();
say();
registerOffline();
