// Pages of the bundle work offline: register the service worker, tell of a new version, also where a file of the old is gone. `?nosw` removes it.
import type { Problem } from "../protocol.ts";
import { el } from "./dom.ts";

/** Registered after the page has loaded, so that it never stands in the way of the first answer. Where a browser forbids it
 * (a sandboxed frame, storage denied) the page goes without. */
export function registerOffline(done?: () => void): void {
  addEventListener("pyedge:error", (event) => {
    if ((event as CustomEvent<Problem>).detail.code === "E_GONE") offer();
  });
  register().finally(done).catch(() => undefined);
}

async function register(): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const base = new URL("./", document.baseURI);
  if (new URLSearchParams(location.search).has("nosw")) {
    for (const registration of await navigator.serviceWorker.getRegistrations()) await registration.unregister();
    return;
  }
  if (document.readyState !== "complete") await new Promise((resolve) => addEventListener("load", resolve, { once: true }));
  const controlled = Boolean(navigator.serviceWorker.controller);
  const registration = await navigator.serviceWorker.register(new URL("sw.js", base), { scope: base.pathname, updateViaCache: "none" }).catch(() => null);
  registration?.addEventListener("updatefound", () => {
    const next = registration.installing;
    next?.addEventListener("statechange", () => {
      if (next.state === "activated" && controlled) offer();
    });
  });
}

let offered = false;

function offer(): void {
  if (offered) return;
  offered = true;
  const reload = el("button", { type: "button", onclick: () => location.reload() }, "Reload");
  document.querySelector("main")!.prepend(el("p", { class: "card row", role: "status" }, "A new version of this page is here.", reload));
}
