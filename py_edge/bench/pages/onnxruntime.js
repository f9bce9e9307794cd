// onnxruntime-web, WebAssembly provider, its own optimiser at full.
const DIST = "/peers/node_modules/onnxruntime-web/dist";
let ort;

const runtime = {
  async start(threads) {
    ort = await import(`${DIST}/ort.wasm.min.mjs`);
    ort.env.wasm.numThreads = threads;
    ort.env.wasm.wasmPaths = `${DIST}/`;
  },
  threads: () => ort.env.wasm.numThreads,
  async load(id, card) {
    const session = await ort.InferenceSession.create(`/models/${id}/model.onnx`, {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "all",
    });
    const [name] = session.inputNames;
    return {
      async run(data) {
        const outputs = await session.run({ [name]: new ort.Tensor("float32", data, card.input) });
        return session.outputNames.map((output) => outputs[output].data);
      },
      dispose: () => session.release(),
    };
  },
};
