// The desk as its own page: keys work anywhere on it.
import { byId } from "./dom.ts";
import { registerOffline } from "./offline.ts";
import { annotatorName, DeskPanel } from "./panel.ts";

const origin = new URLSearchParams(location.search).get("origin") ?? ".";
const name = annotatorName();
byId("who").textContent = name;
const panel = new DeskPanel(new URL("v1/", new URL(origin, document.baseURI)).href, name);
panel.onvote = (answered, skipped) => (byId("count").textContent = `${answered} answered${skipped ? `, ${skipped} skipped` : ""}`);
byId("desk").append(panel.node);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") byId<HTMLDetailsElement>("keys").open = !byId<HTMLDetailsElement>("keys").open;
  else if (panel.key(event.key)) event.preventDefault();
});
addEventListener("pagehide", () => panel.close());
registerOffline();
