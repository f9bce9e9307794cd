// TF.js reads model folders and computes: node read_by_tfjs.mjs PACKAGES CASES.json
// CASES: [{folders: [original, ours], inputs: [{shape, dtype, values}]}]; prints one JSON row per case:
// {outputs: [[{shape, values}] | {error}, ...]} in the order of the folders.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [packages, cases] = process.argv.slice(2);
console.warn = console.log = () => {};
const tf = createRequire(join(packages, "package.json"))("@tensorflow/tfjs");

function handler(folder) {
  return {
    load: async () => {
      const document = JSON.parse(readFileSync(join(folder, "model.json")));
      const groups = document.weightsManifest ?? [];
      const data = groups.flatMap((group) => group.paths.map((path) => readFileSync(join(folder, path))));
      const bytes = Uint8Array.from(Buffer.concat(data));
      return { ...document, weightSpecs: groups.flatMap((group) => group.weights), weightData: bytes.buffer };
    },
  };
}

function fits(input, port) {
  const open = port.shape ?? input.shape;
  return open.length === input.shape.length && open.every((d, i) => d == null || d < 0 || d === input.shape[i]);
}

function given(model, inputs) {
  const left = [...inputs];
  return model.inputs.map((port) => {
    const fitting = left.filter((input) => fits(input, port));
    const input = fitting.find((one) => one.dtype === port.dtype) ?? fitting[0] ?? left[0];
    left.splice(left.indexOf(input), 1);
    return tf.tensor(input.values, input.shape, port.dtype ?? input.dtype);
  });
}

async function outputs(folder, inputs) {
  try {
    const layers = JSON.parse(readFileSync(join(folder, "model.json"))).format !== "graph-model";
    const model = await (layers ? tf.loadLayersModel(handler(folder)) : tf.loadGraphModel(handler(folder)));
    const tensors = given(model, inputs);
    const asked = Object.fromEntries(model.inputs.map((port, i) => [port.name, tensors[i]]));
    const found = layers ? model.predict(tensors) : await model.executeAsync(asked);
    return [found].flat().map((y) => ({ shape: y.shape, values: [...y.dataSync()].map(String) }));
  } catch (error) {
    return { error: String(error.message ?? error).slice(0, 200) };
  }
}

await tf.setBackend("cpu");
for (const each of JSON.parse(readFileSync(cases))) {
  const rows = [];
  for (const folder of each.folders) rows.push(await outputs(folder, each.inputs));
  process.stdout.write(JSON.stringify({ outputs: rows }) + "\n");
}
