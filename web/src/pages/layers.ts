// What a TF.js layers model is made of, read from its model.json alone: a row a layer, nested models in their order.
export interface Layer {
  name: string;
  kind: string;
  /** Shapes of its weights, in words. */
  weights: string;
  parameters: number;
}

interface Entry {
  class_name: string;
  name?: string;
  config: Entry[] | { name?: string; layers?: Entry[]; layer?: Entry };
}

interface ModelFile {
  modelTopology?: { model_config?: Entry; node?: { name: string; op: string }[] } & Partial<Entry>;
  weightsManifest?: { weights: { name: string; shape: number[] }[] }[];
}

/** The layers of a layers-model, or the nodes of a graph-model that hold weights. */
export function layersOf({ modelTopology, weightsManifest }: ModelFile): Layer[] {
  const weights = (weightsManifest ?? []).flatMap((group) => group.weights);
  const entries = modelTopology?.node
    ? weights.map(({ name }) => ({ name, kind: modelTopology.node!.find((node) => node.name === name)?.op ?? "Const" }))
    : flat(modelTopology?.model_config ?? (modelTopology as Entry | undefined));
  return entries.map(({ name, kind }) => {
    const own = weights.filter((weight) => weight.name === name || weight.name.split("/").slice(0, -1).includes(name));
    return { name, kind, weights: own.map(({ shape }) => shape.join(" × ") || "1").join(", "), parameters: own.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0) };
  });
}

function flat(entry: Entry | undefined): { name: string; kind: string }[] {
  if (!entry?.config) return [];
  const inner = Array.isArray(entry.config) ? entry.config : entry.config.layers;
  if (inner) return inner.flatMap(flat);
  return [{ name: (entry.config as { name?: string }).name ?? entry.name ?? "", kind: entry.class_name }];
}
