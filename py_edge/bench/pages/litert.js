// LiteRT.js on the CPU. It needs a classic worker and to be told where its files are; it finds relaxed SIMD by itself.
importScripts("/peers/litert.js"); // the package bundled as the global LiteRT
const WASM = "/peers/node_modules/@litertjs/core/wasm/";
let library;

const runtime = {
  async start(threads) {
    self.Module = { locateFile: (file) => WASM + file, mainScriptUrlOrBlob: `${WASM}litert_wasm_threaded_internal.js` };
    library = await LiteRT.loadLiteRt(WASM, { threads: threads > 1 });
  },
  threads: () => library.liteRtWasm.getThreadCount?.(),
  async load(id, card) {
    const model = await LiteRT.loadAndCompile(`/models/${id}/model.tflite`, { accelerator: "wasm" });
    return {
      async run(data) {
        const x = new LiteRT.Tensor(data, card.input);
        const outputs = await model.run([x]);
        const values = outputs.map((output) => output.toTypedArray());
        x.delete();
        outputs.forEach((output) => output.delete());
        return values;
      },
      dispose: () => model.delete(),
    };
  },
};
