// Pages of the bundle work offline: register the service worker, tell of a new version. `?nosw` removes it.
import { el } from "./dom.ts";

/** Registered after the page has loaded, so that it never stands in the way of the first answer. Where a browser forbids it
 * (a sandboxed frame, storage denied) the page goes without. */
export function registerOffline(done?: () => void): void {
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

function offer(): void {
  const reload = el("button", { type: "button", onclick: () => location.reload() }, "Reload");
  document.body.prepend(el("p", { class: "card row", role: "status" }, "A new version of this page is here.", reload));
}
