// TF.js on its WebAssembly backend: the three small bundles, graph or layers format (?format=layers).
const NODE = "/peers/node_modules/@tensorflow";
importScripts(`${NODE}/tfjs-core/dist/tf-core.min.js`, `${NODE}/tfjs-converter/dist/tf-converter.min.js`);
importScripts(`${NODE}/tfjs-backend-wasm/dist/tf-backend-wasm.min.js`);
const LAYERS = query.get("format") === "layers";
if (LAYERS) importScripts(`${NODE}/tfjs-layers/dist/tf-layers.min.js`);

const runtime = {
  async start(threads) {
    // It uses at most half of the cores; telling it of twice as many gives it the threads that were asked for.
    Object.defineProperty(navigator, "hardwareConcurrency", { value: 2 * threads });
    tf.wasm.setWasmPaths(`${NODE}/tfjs-backend-wasm/dist/`);
    tf.wasm.setThreadsCount(threads);
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", threads > 1);
    await tf.setBackend("wasm");
    await tf.ready();
  },
  threads: () => tf.wasm.getThreadsCount(),
  async load(id, card) {
    const url = `/models/${id}/${LAYERS ? "layers" : "graph"}/model.json`;
    const model = await (LAYERS ? tf.loadLayersModel(url) : tf.loadGraphModel(url));
    const list = (outputs) => (Array.isArray(outputs) ? outputs : [outputs]);
    const sync = (data) =>
      tf.tidy(() => {
        const x = tf.tensor(data, card.input);
        return list(LAYERS ? model.predict(x) : model.execute(x)).map((y) => y.dataSync());
      });
    const async_ = async (data) => {
      const x = tf.tensor(data, card.input);
      const outputs = list(await model.executeAsync(x));
      const values = await Promise.all(outputs.map((y) => y.data()));
      tf.dispose([x, ...outputs]);
      return values;
    };
    let run = sync;
    try {
      sync(new Float32Array(card.input.reduce((a, b) => a * b, 1)));
    } catch (error) {
      if (LAYERS) throw error;
      run = async_; // control flow
    }
    return { run, dispose: () => model.dispose() };
  },
};
