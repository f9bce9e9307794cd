// Ours, as a page has it: predict.js of the bundle and a plan file; the worker is a classic one.
let library, used;

const runtime = {
  async start() {
    library = await import("/site/predict.js");
  },
  threads: () => used,
  async load(id) {
    const model = await library.load(`/plans/${id}.plan`, { threads });
    used = model.threads;
    const [{ name }] = model.inputs;
    const names = model.outputs.map((output) => output.name);
    return {
      run(data) {
        const outputs = model.runSync({ [name]: data });
        return names.map((output) => outputs[output].data);
      },
      dispose: () => model.dispose(),
    };
  },
};
