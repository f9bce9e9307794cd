// Ours trains in Pyodide, as the learn worker does, driven by training_ours.py.
let python = null;

async function start() {
  const bundle = await (await fetch("/site/bundle.json")).json();
  const base = `${location.origin}/site/`;
  const { loadPyodide } = await import(`${base}${bundle.runtime}pyodide.mjs`);
  const pyodide = await loadPyodide({ indexURL: base + bundle.runtime, packageBaseUrl: base + bundle.runtime });
  const wheel = Object.keys(bundle.files).find((path) => path.startsWith(bundle.app) && path.endsWith(".whl"));
  pyodide.unpackArchive(await (await fetch(base + wheel)).arrayBuffer(), "wheel");
  pyodide.runPython(await (await fetch("/bench/training_ours.py")).text());
  return pyodide;
}

async function train({ x, y, model, format, ...task }) {
  python ??= await start();
  const folder = `/models/${model}/${format}`;
  const topology = await (await fetch(`${folder}/model.json`)).arrayBuffer();
  const files = { "model.json": new Uint8Array(topology) };
  for (const group of JSON.parse(new TextDecoder().decode(topology)).weightsManifest)
    for (const path of group.paths) files[path] = new Uint8Array(await (await fetch(`${folder}/${path}`)).arrayBuffer());
  const found = python.globals.get("train")(python.toPy(files), python.toPy(x), python.toPy([...y]), python.toPy(task));
  return found.toJs({ dict_converter: Object.fromEntries });
}

onmessage = async ({ data }) => {
  try {
    postMessage({ value: await train(data) });
  } catch (error) {
    postMessage({ error: String(error?.message ?? error).trim().split("\n").pop() });
  }
};
