// Drift at a known moment: a device that asks and learns beside a twin that stays as it was, both real, in this tab.
import type { EdgeError } from "../edge.ts";
import { best, Classroom, type Lessons } from "./classroom.ts";
import { paint } from "./digit.ts";
import { byId, percent, telling } from "./dom.ts";
import { makeStream, PIXELS, type Seen } from "./drift.ts";
import { registerOffline } from "./offline.ts";
import { type Moment, TimeChart } from "./timechart.ts";

const LABELS = Array.from({ length: 10 }, (_, digit) => String(digit));
const NET = { inputs: PIXELS, hidden: [32], labels: LABELS, options: { activation: "relu", learning_rate: 0.01, seed: 3 } };
const STEP = 10;
const STEPS = 90;
const DRIFT_STEP = 30;
const WINDOW = 5;
const THRESHOLD = 0.8;
const LESSONS = 300;
const START_EPOCHS = 24;
const TUNE_AFTER = 20;
const TUNE_EPOCHS = 6;
const KEPT = 240;

const device = new Classroom(({ done, total }) => done < total && say("python", `Python is starting: ${percent(done / total)}`), "device");
const twin = new Classroom(() => undefined, "twin");
const chart = new TimeChart([{ name: "learning device, alone", kind: "device" }, { name: "frozen twin", kind: "cloud" }, { name: "asked of a person", kind: "person" }], "pictures", percent, 1);
byId("chart").append(chart.node);

interface Step {
  device: number;
  twin: number;
  asked: number;
}

let steps: Step[] = [];
let moments: Moment[] = [];
let tunes = 0;
let running = false;
let summary = "Nothing has streamed yet.";

function say(id: string, text: string): void {
  byId(id).textContent = text;
}

const isReady = device.ready().then(
  () => say("python", "Python is here; both nets train and answer in this tab."),
  (error: EdgeError) => say("python", `Nothing can be trained here: ${error.message}`),
);

function lessonsOf(seen: Seen[]): Lessons {
  const inputs = new Float32Array(seen.length * PIXELS);
  seen.forEach(({ image }, i) => inputs.set(image, i * PIXELS));
  return { inputs, labels: Int32Array.from(seen, ({ label }) => label) };
}

/** The mean of the last steps up to and with `end`. */
function lately(of: keyof Step, end = steps.length - 1): number {
  const last = steps.slice(Math.max(0, end + 1 - WINDOW), end + 1);
  return last.reduce((sum, step) => sum + step[of], 0) / Math.max(1, last.length);
}

/** A control chart of shares (Shewhart's p chart): the asking leaves three standard errors above its calm share. */
function alarms(): boolean {
  const calm = steps.slice(0, DRIFT_STEP);
  const usual = Math.max(0.02, calm.reduce((sum, step) => sum + step.asked, 0) / calm.length);
  return steps.length > WINDOW && lately("asked") > usual + 3 * Math.sqrt((usual * (1 - usual)) / (WINDOW * STEP));
}

function show(last: Seen): void {
  paint(byId<HTMLCanvasElement>("now"), last.image);
  const asked = Math.round(steps.reduce((sum, step) => sum + step.asked * STEP, 0));
  const alarm = moments.find(({ name }) => name === "alarm");
  say("seen", String(steps.length * STEP));
  say("asked", String(asked));
  say("tunes", String(tunes));
  say("alarm", alarm ? `after ${alarm.at}` : "–");
  const row = (of: keyof Step) => steps.map((_, i) => lately(of, i));
  summary = `After ${steps.length * STEP} pictures, of the last ${WINDOW * STEP} the learning device has ${percent(lately("device"))} right by itself, its frozen twin ${percent(lately("twin"))}; ${asked} were asked in all.`;
  chart.draw(steps.map((_, i) => (i + 1) * STEP), [row("device"), row("twin"), row("asked")], summary, moments);
}

async function judge(room: Classroom, { inputs, labels }: Lessons): Promise<{ right: number; sure: number[] }> {
  const probabilities = await room.predict(inputs, labels.length);
  const answers = Array.from(labels, (_, i) => best(probabilities, LABELS.length, i));
  return { right: answers.filter(([label], i) => label === labels[i]).length / labels.length, sure: answers.map(([, confidence]) => confidence) };
}

async function play(): Promise<void> {
  running = true;
  [steps, moments, tunes] = [[], [], 0];
  await isReady;
  const drift = byId<HTMLSelectElement>("drift").value;
  const next = makeStream(5);
  let memory = Array.from({ length: LESSONS }, () => next());
  say("says", "Both learn the digits as they are.");
  for (const room of [device, twin]) {
    await room.open(NET);
    await room.fit(lessonsOf(memory), START_EPOCHS);
  }
  memory = memory.slice(-KEPT / 2);
  let fresh = 0;
  for (let step = 0; running && step < STEPS; step++) {
    const drifted = step >= DRIFT_STEP;
    if (step === DRIFT_STEP) {
      moments.push({ at: step * STEP, name: "change" });
      say("says", "Now every picture is changed.");
    }
    const seen = Array.from({ length: STEP }, () => next(drifted ? drift : undefined));
    const lessons = lessonsOf(seen);
    const [mine, frozen] = [await judge(device, lessons), await judge(twin, lessons)];
    const answered = seen.filter((_, i) => mine.sure[i]! < THRESHOLD);
    steps.push({ device: mine.right, twin: frozen.right, asked: answered.length / STEP });
    memory = [...memory, ...answered].slice(-KEPT);
    fresh += answered.length;
    if (drifted && !moments.some(({ name }) => name === "alarm") && alarms()) moments.push({ at: (step + 1) * STEP, name: "alarm" });
    if (fresh >= TUNE_AFTER) {
      await device.fit(lessonsOf(memory), TUNE_EPOCHS);
      [fresh, tunes] = [0, tunes + 1];
    }
    show(seen.at(-1)!);
    await new Promise(requestAnimationFrame);
  }
  say("says", summary);
}

async function run(): Promise<void> {
  const [start, stop] = [byId<HTMLButtonElement>("run"), byId<HTMLButtonElement>("stop")];
  [start.disabled, stop.disabled] = [true, false];
  await play().catch((error: unknown) => say("says", `It stopped: ${(error as Error).message}`));
  running = false;
  [start.disabled, stop.disabled] = [false, true];
}

byId("run").addEventListener("click", telling((text) => say("says", text))(run));
byId("stop").addEventListener("click", () => (running = false));
Object.assign(window, { pyEdgeStream: { state: () => ({ steps, moments, tunes, running }) } });
registerOffline();
