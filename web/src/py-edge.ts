// The entry that pages load: defines <py-edge> and gives its JavaScript twin.
import { Edge, type EdgeOptions } from "./edge.ts";

export { PyEdgeElement } from "./element.ts";
export { Edge, EdgeError } from "./edge.ts";
export { startPython } from "./runtime.ts";
export type * from "./protocol.ts";

export const PyEdge = {
  /** The same as the element, without one. */
  load: (src: string, options: Omit<EdgeOptions, "src"> = {}): Promise<Edge> => Edge.load({ ...options, src }),
};
