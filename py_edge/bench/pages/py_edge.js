// Ours, as a page has it: predict.js of the bundle and a plan file.
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
    if (model.run.length === 0) return { run: (data) => model.run(data), dispose: () => model.dispose() };
    return {
      async run(data) {
        const outputs = await model.run({ [name]: data });
        return names.map((output) => outputs[output].data);
      },
      dispose: () => model.dispose(),
    };
  },
};
