// The few lines that stand in for a framework.
import { sentence, toProblem } from "../problem.ts";

type Attributes = Record<string, string | number | boolean | ((event: Event) => void)>;

/** Make an element: attributes, `on…` listeners, children. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false) node.setAttribute(name, String(value));
  }
  node.append(...children);
  return node;
}

export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Record<string, string | number> = {}, ...children: (Node | string)[]): SVGElementTagNameMap[K] {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** Tell the width of a drawing's room in CSS pixels, held within the two bounds, whenever it changes. */
export function followWidth(drawing: Element, [least, most]: [number, number], tell: (width: number) => void): void {
  let last = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.round(Math.min(most, Math.max(least, entry!.contentRect.width)));
    if (entry!.contentRect.width && width !== last) requestAnimationFrame(() => tell((last = width))); // not in the observer: drawing changes the height
  }).observe(drawing);
}

/** The element with this id; a page without it is our mistake. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no #${id}`);
  return node as T;
}

/** Listeners that do something and say in one sentence, where `say` says it, why they could not. */
export const telling = (say: (text: string) => unknown) => (action: () => Promise<unknown>) => () => {
  action().catch((error: unknown) => say(sentence(toProblem(error))));
};

export const percent = (share: number) => `${Math.round(share * 100)}\u00a0%`;

/** Who answered, in words and as the colour class of the look. level: the tier of the nearest node. */
export function placeOf(source: string, tier: number, level: number): { name: string; kind: "device" | "site" | "cloud" | "person" } {
  if (source === "device") return { name: "this device", kind: "device" };
  if (source === "person" || tier >= 99) return { name: "a person", kind: "person" };
  return { name: source, kind: tier <= level ? "site" : "cloud" };
}
