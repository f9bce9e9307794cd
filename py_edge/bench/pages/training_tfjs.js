// TF.js trains: the full bundle (it alone has all gradients), ?backend=wasm|cpu. Steps cycle over the same batches as ours.
const NODE = "/peers/node_modules/@tensorflow";
importScripts(`${NODE}/tfjs/dist/tf.min.js`, `${NODE}/tfjs-backend-wasm/dist/tf-backend-wasm.min.js`, "/bench/training_encoder.js");
const backend = new URLSearchParams(location.search).get("backend");

// What is trained: {apply, variables, shape of a row, loss(output, input, truth)}.
async function classifier(id, trained) {
  const model = await tf.loadLayersModel(`/models/${id}/layers/model.json`);
  const chosen = model.layers.filter((layer) => !trained || trained.includes(layer.name));
  const variables = chosen.filter((layer) => layer.getClassName() !== "BatchNormalization").flatMap((layer) => layer.trainableWeights.map((weight) => weight.val));
  const apply = (input) => model.apply(input, { training: false }).clipByValue(1e-7, 1 - 1e-7);
  return { apply, variables, shape: model.inputs[0].shape.slice(1), loss: (share, _, truth) => share.log().mul(truth).sum(-1).mean().neg() };
}

async function train({ model: id, trained, rank, optimizer, rate, batch, batches, epochs, profile, x, y, classes }) {
  Object.defineProperty(navigator, "hardwareConcurrency", { value: 2 });
  tf.wasm.setWasmPaths(`${NODE}/tfjs-backend-wasm/dist/`);
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  if (!(await tf.setBackend(backend))) throw new Error(`no backend ${backend}`);
  const { apply, variables, shape, loss } = rank ? await encoder(id, rank) : await classifier(id, trained);
  const rule = tf.train[optimizer](rate);
  const size = shape.reduce((a, b) => a * b, 1);
  const times = [], losses = [];
  const run = (step) => {
    const at = (step % batches) * batch;
    return tf.tidy(() => {
      const input = tf.tensor(x.subarray(at * size, (at + batch) * size), [batch, ...shape]);
      const truth = tf.oneHot(tf.tensor1d(y.subarray(at, at + batch), "int32"), classes);
      return rule.minimize(() => loss(apply(input), input, truth), true, variables).dataSync()[0];
    });
  };
  let peakBytes = 0;
  for (let step = 0; step < epochs * batches; step++) {
    const before = performance.now();
    const once = () => void losses.push(run(step));
    if (profile && step === 0) ({ peakBytes } = await tf.profile(once));
    else once();
    times.push(performance.now() - before);
  }
  return { times, bytes: peakBytes, losses: Array.from({ length: epochs }, (_, e) => losses.slice(e * batches, (e + 1) * batches).reduce((a, b) => a + b, 0) / batches) };
}

onmessage = async ({ data }) => {
  try {
    postMessage({ value: await train(data) });
  } catch (error) {
    postMessage({ error: String(error?.message ?? error) });
  }
};
