// Runs blocks of calls on one runtime. A runtime's script sets `runtime`: start(threads), load(id, card) -> handle with
// run(x) -> [Float32Array] or a promise of it, dispose(). The input goes in and the outputs come out in every call.
const began = performance.timeOrigin + performance.now();
const query = new URLSearchParams(location.search);
const threads = Number(query.get("threads") ?? 1);
importScripts(`/bench/${query.get("runtime")}.js`);

const clock = () => performance.timeOrigin + performance.now();
const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};
const loadedWasm = () =>
  performance.getEntriesByType("resource").map((entry) => entry.name.split("/").pop()).filter((name) => name.endsWith(".wasm")).join(" ");
let ready = null;
const start = () => (ready ??= runtime.start(threads));
let current = null; // { card, handle, inputs, turn, group }

async function floats(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} ${url}`);
  return new Float32Array(await response.arrayBuffer());
}

async function load({ model }) {
  await start();
  const card = await (await fetch(`/models/${model}/card.json`)).json();
  const flat = await floats(`/models/${model}/input.f32`);
  const size = flat.length / card.count;
  const inputs = Array.from({ length: card.count }, (_, i) => flat.slice(i * size, (i + 1) * size));
  current = { card, inputs, turn: 0, group: 1, handle: await runtime.load(model, card) };
  return { variant: `${loadedWasm()}, ${await runtime.threads?.() ?? 1} thread(s)` };
}

// Largest |got - wanted| / largest |wanted|, over all outputs and inputs; outputs are matched by size, then by fit.
async function check() {
  const { card, inputs, handle } = current;
  const wanted = await Promise.all(card.outputs.map((_, i) => floats(`/models/${card.id}/output${i}.f32`)));
  let worst = 0;
  for (let turn = 0; turn < inputs.length; turn++) {
    const got = (await handle.run(inputs[turn])).map((output) => output.slice());
    for (const all of wanted) {
      const size = all.length / card.count;
      const want = all.subarray(turn * size, (turn + 1) * size);
      const fits = got.filter((output) => output.length === size).map((output) => difference(output, want));
      if (!fits.length) throw new Error(`no output of ${size} numbers, but ${got.map((output) => output.length)}`);
      worst = Math.max(worst, Math.min(...fits));
    }
  }
  return worst;
}

function difference(got, want) {
  let error = 0, scale = 0;
  for (let i = 0; i < want.length; i++) {
    const off = Math.abs(got[i] - want[i]);
    error = off <= error ? error : off; // NaN goes through
    scale = Math.max(scale, Math.abs(want[i]));
  }
  return error / scale;
}

async function group() {
  const { handle, inputs } = current;
  const before = performance.now();
  for (let i = 0; i < current.group; i++) {
    const outputs = handle.run(inputs[current.turn++ % inputs.length]);
    if (outputs instanceof Promise) await outputs;
  }
  return (performance.now() - before) / current.group;
}

// One block: groups of calls for so long, at least three of them; ms per call of each group, smallest to largest.
async function block({ seconds }) {
  const times = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end || times.length < 3) times.push(await group());
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
  return { median: median(times), least: times[0], p95: at(0.95), p99: at(0.99), groups: times.length, calls: times.length * current.group };
}

// Until two blocks agree within 2 % and the compilers had their time; a group takes about 5 ms.
async function warm({ seconds, most }) {
  const end = performance.now() + seconds * 1000;
  const giveUp = performance.now() + most * 1000;
  let before = Infinity;
  for (;;) {
    const now = await block({ seconds: Math.min(0.25, seconds / 4) });
    current.group = Math.max(1, Math.round(5 / now.median));
    const steady = Math.abs(now.median / before - 1) < 0.02;
    if ((steady && performance.now() > end) || performance.now() > giveUp) return { steady, ...now };
    before = now.median;
  }
}

async function first({ model }) {
  const marks = { worker: began };
  const running = start().then(() => (marks.runtime = clock()));
  const card = await (await fetch(`/models/${model}/card.json`)).json();
  await running;
  const handle = await runtime.load(model, card);
  marks.model = clock();
  await handle.run(new Float32Array(card.input.reduce((a, b) => a * b, 1)).fill(0.5));
  return marks;
}

const kinds = {
  load, check, block, warm, first,
  dispose: async () => {
    await current?.handle.dispose();
    current = null;
  },
  ask: ({ name, ...rest }) => runtime[name](rest),
};

onmessage = async ({ data }) => {
  try {
    postMessage({ value: await kinds[data.kind](data) });
  } catch (error) {
    postMessage({ error: String(error?.message ?? error) + (error?.code ? ` [${error.code}]` : "") });
  }
};
