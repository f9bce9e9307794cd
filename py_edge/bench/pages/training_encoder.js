// T5 for TF.js, which trains no graph-model: the same encoder written by hand in its ops, on the weights of the very file that ours
// loads, with low-rank adapters beside every kernel; their first values come from ours.
async function encoder(id, rank) {
  const file = await tf.loadGraphModel(`/models/${id}/graph/model.json`);
  const first = await (await fetch(`/built/${id}.adapters.json`)).json();
  const weights = {}, variables = [];
  for (const [name, [tensor]] of Object.entries(file.weights)) {
    const own = name.split("layer_")[1];
    if (!own) continue;
    weights[own] = tensor;
    if (!first[name]) continue;
    const [inputs, outputs] = tensor.shape;
    const pair = [tf.variable(tf.tensor2d(first[name], [inputs, rank])), tf.variable(tf.zeros([rank, outputs]))];
    variables.push(...pair);
    weights[own] = { kernel: tensor, pair };
  }
  const [, S, H] = file.inputs[0].shape;
  const heads = 12, layers = 1 + Math.max(...Object.keys(weights).map((name) => parseInt(name)));

  const dense = (x, name) => {
    const { kernel, pair: [a, b] } = weights[`${name}/kernel`];
    return x.matMul(kernel).add(x.matMul(a).matMul(b)).add(weights[`${name}/bias`]);
  };
  const norm = (x, name) => {
    const { mean, variance } = tf.moments(x, -1, true);
    return x.sub(mean).mul(variance.add(1e-12).rsqrt()).mul(weights[`${name}/gamma`]).add(weights[`${name}/beta`]);
  };
  const split = (x) => x.reshape([-1, S, heads, H / heads]).transpose([0, 2, 1, 3]);
  const apply = (input) => {
    let x = input.reshape([-1, H]);
    for (let layer = 0; layer < layers; layer++) {
      const [q, k, v] = ["q", "k", "v"].map((part) => split(dense(x, `${layer}/${part}`)));
      const scores = tf.softmax(tf.matMul(q, k, false, true).mul((H / heads) ** -0.5));
      const context = tf.matMul(scores, v).transpose([0, 2, 1, 3]).reshape([-1, H]);
      x = norm(x.add(dense(context, `${layer}/o`)), `${layer}/norm1`);
      const up = dense(x, `${layer}/up`);
      x = norm(x.add(dense(up.mul(0.5).mul(up.mul(Math.SQRT1_2).erf().add(1)), `${layer}/down`)), `${layer}/norm2`);
    }
    return x.reshape([-1, S, H]);
  };
  return { apply, variables, shape: [S, H], loss: (output, input) => output.sub(input).square().mean() };
}
