// Fifty devices, a site and a desk in a simulated world: the chain's own Python code, run in the learn worker.
import { startPython } from "../py-edge.js";
import type { EdgeError } from "../edge.ts";
import { byId, el, percent, telling } from "./dom.ts";
import { registerOffline } from "./offline.ts";
import { TimeChart } from "./timechart.ts";

/** What Fleet.run gives (py_edge/chain/simulate/fleet.py). */
interface Hour {
  minute: number;
  seen: number;
  asked: number;
  answered: number;
  coverage: number;
  risk: number;
  at_desk: number;
  unanswered: number;
  waited_s?: number;
  bytes_per_device_hour: number;
}

interface Wish {
  threshold: number;
  people: number;
  loss: number;
}

const STEP_MINUTES = 5;
const STEPS = 12;
const PLAYED: Wish[] = [{ threshold: 80, people: 70, loss: 5 }, { threshold: 80, people: 70, loss: 50 }, { threshold: 95, people: 70, loss: 5 }];
const time = (seconds: number) => (seconds < 120 ? `${Math.round(seconds)}\u00a0s` : `${Math.round(seconds / 60)}\u00a0min`);
const ROWS: [string, (hour: Hour, wish: Wish) => string][] = [
  ["threshold", (_, { threshold }) => percent(threshold / 100)],
  ["people, per hour", (_, { people }) => `${people}\u00a0min`],
  ["network loss", (_, { loss }) => percent(loss / 100)],
  ["answered alone", ({ coverage }) => percent(coverage)],
  ["of those wrong", ({ risk }) => `${(risk * 100).toFixed(1)}\u00a0%`],
  ["asked", ({ asked }) => String(asked)],
  ["answered by a person", ({ answered }) => String(answered)],
  ["queue at the desk", ({ at_desk }) => String(at_desk)],
  ["median wait", ({ waited_s }) => (waited_s === undefined ? "–" : time(waited_s))],
  ["bytes per device and hour", ({ bytes_per_device_hour: bytes }) => `${(bytes / 1000).toFixed(1)}\u00a0kB`],
];

const chart = new TimeChart([{ name: "unanswered, on the way", kind: "device" }, { name: "unanswered, at the desk", kind: "person" }], "minutes", (value) => String(Math.round(value)), null);
byId("chart").append(chart.node);
const heads = el("tr", {}, el("th", { scope: "col" }, "hour"));
const rows = ROWS.map(([name]) => el("tr", {}, el("th", { scope: "row" }, name)));
byId("runs").append(el("thead", {}, heads), el("tbody", {}, ...rows));

const sliders = ["threshold", "people", "loss"] as const;
const slider = (name: keyof Wish) => byId<HTMLInputElement>(name);
let running = false;
let latest: Hour | null = null;
let hours = 0;

const python = startPython(({ done, total }) => {
  if (done < total) byId("python").textContent = `Python is starting: ${percent(done / total)}`;
});
python.then(
  () => {
    byId("python").textContent = "Python is here; the world runs in a worker of this tab.";
    byId<HTMLButtonElement>("run").disabled = running;
  },
  (error: EdgeError) => (byId("python").textContent = `Nothing can be simulated here: ${error.message}`),
);

const wished = (): Wish => ({ threshold: Number(slider("threshold").value), people: Number(slider("people").value), loss: Number(slider("loss").value) });

function showWish(): void {
  const { threshold, people, loss } = wished();
  byId("threshold-says").textContent = percent(threshold / 100);
  byId("people-says").textContent = String(people);
  byId("loss-says").textContent = percent(loss / 100);
}

function say(hour: Hour): string {
  const wait = hour.waited_s === undefined ? "nobody got an answer" : `half of the answers came within ${time(hour.waited_s)}`;
  return `After ${hour.minute} minutes: ${percent(hour.coverage)} of ${hour.seen} pictures answered on the device, ${(hour.risk * 100).toFixed(1)}\u00a0% of them wrong; ${hour.unanswered} questions unanswered, ${hour.at_desk} of them at the desk; ${wait}.`;
}

async function live(wish: Wish): Promise<void> {
  const { threshold, people, loss } = wish;
  const { call } = await python;
  await call("fleet.fleet_open", { threshold: threshold / 100, people_minutes: people, loss: loss / 100 });
  const seen: Hour[] = [];
  for (let step = 0; step < STEPS; step++) {
    latest = await call<Hour>("fleet.fleet_run", STEP_MINUTES);
    seen.push(latest);
    byId("says").textContent = say(latest);
    chart.draw(seen.map(({ minute }) => minute), [seen.map(({ unanswered, at_desk }) => Math.max(0, unanswered - at_desk)), seen.map(({ at_desk }) => at_desk)], say(latest));
  }
  hours += 1;
  heads.append(el("th", { scope: "col" }, String(hours)));
  rows.forEach((row, i) => row.append(el("td", {}, ROWS[i]![1](latest!, wish))));
}

async function run(wishes: Wish[]): Promise<void> {
  if (running) return;
  running = true;
  const inputs = [byId<HTMLButtonElement>("run"), byId<HTMLButtonElement>("play"), ...sliders.map(slider)];
  for (const input of inputs) input.disabled = true;
  try {
    for (const each of wishes) {
      for (const name of sliders) slider(name).value = String(each[name]);
      showWish();
      await live(each);
    }
  } catch (error) {
    byId("says").textContent = `The world stopped: ${(error as Error).message}`;
  } finally {
    running = false;
    for (const input of inputs) input.disabled = false;
  }
}

for (const name of sliders) slider(name).addEventListener("input", showWish);
const told = telling((text) => (byId("says").textContent = text));
byId("run").addEventListener("click", told(() => run([wished()])));
byId("play").addEventListener("click", told(() => run(PLAYED)));
Object.assign(window, { pyEdgeFleet: { state: () => ({ running, hours, latest }) } });
showWish();
registerOffline();
