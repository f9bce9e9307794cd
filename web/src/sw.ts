// The service worker: offline from bundle.json. Hashed files come from the cache first, the few unhashed ones from the
// network first. Nothing goes into the cache that is not the file of bundle.json by length and sha256. One bundle a cache;
// the one before stays, for tabs that were opened with it go on and their host may no longer have its files.
// Kill switch: a bundle.json with `"offline": false` makes it remove itself and its caches.

interface Index {
  version: string;
  tree: string;
  files: Record<string, [number, string]>;
  offline?: boolean;
}

const scope = self as unknown as ServiceWorkerGlobalScope;
const base = new URL("./", scope.location.href);
const PREFIX = `py-edge:${base.pathname}:`;
const INDEX = "bundle.json";

/** Under a hash the same bytes for ever. */
const HASHED = /^(app|rt)-[^/]*-?[0-9a-f]{8}\//;

/** Not fetched at once but kept when first wanted: large, or of use to few; and this worker itself. */
const LATER = /^(rt-|models\/|types\/|_|sbom|custom-|sw\.js)|\.(whl|gz|br|md|txt|ts)$/;

async function hex(data: ArrayBuffer): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", data);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function verified(response: Response, [size, sha256]: [number, string]): Promise<boolean> {
  if (response.status !== 200) return false;
  const body = await response.clone().arrayBuffer();
  return body.byteLength === size && (await hex(body)) === sha256;
}

async function readIndex(): Promise<Index> {
  const response = await fetch(new URL(INDEX, base), { cache: "no-cache" });
  if (!response.ok) throw new Error(`bundle.json: ${response.status}`);
  return (await response.json()) as Index;
}

/** Names of our caches, the oldest first. */
async function cacheNames(): Promise<string[]> {
  return (await caches.keys()).filter((key) => key.startsWith(PREFIX));
}

/** The caches that hold all that was wanted of a bundle, the newest first. */
async function* wholeCaches(): AsyncGenerator<{ name: string; cache: Cache; index: Index }> {
  for (const name of (await cacheNames()).reverse()) {
    const cache = await caches.open(name);
    const kept = await cache.match(new URL(INDEX, base));
    if (kept) yield { name, cache, index: (await kept.json()) as Index };
  }
}

async function newestCache(): Promise<{ cache: Cache; index: Index } | null> {
  for await (const whole of wholeCaches()) return whole;
  return null;
}

async function install(): Promise<void> {
  const index = await readIndex();
  if (index.offline === false) return;
  const name = PREFIX + index.tree;
  if ((await cacheNames()).slice(0, -1).includes(name)) await caches.delete(name); // Back to an earlier bundle: it becomes the newest.
  const cache = await caches.open(name);
  const wanted = Object.entries(index.files).filter(([path]) => !LATER.test(path) && !path.startsWith("."));
  await Promise.all(
    wanted.map(async ([path, facts]) => {
      const url = new URL(path, base);
      if (await cache.match(url)) return;
      const response = await fetch(url, { cache: "no-cache" });
      if (await verified(response, facts)) await cache.put(url, response);
      else throw new Error(`${path} is not the file of bundle.json`);
    }),
  );
  // Python, once fetched, is taken over as long as it is the same; without room it is fetched again.
  await Promise.all(
    Object.keys(index.files).filter((path) => HASHED.test(path) && LATER.test(path)).map(async (path) => {
      const held = await caches.match(new URL(path, base));
      if (held) await cache.put(new URL(path, base), held).catch(() => undefined);
    }),
  );
  await cache.put(new URL(INDEX, base), new Response(JSON.stringify(index), { headers: { "content-type": "application/json" } }));
}

async function tidy(): Promise<void> {
  const index = await readIndex().catch(() => null);
  const names = await cacheNames();
  if (index?.offline === false) {
    await Promise.all(names.map((name) => caches.delete(name)));
    await scope.registration.unregister();
    return;
  }
  const whole: string[] = [];
  for await (const { name } of wholeCaches()) whole.push(name);
  const [newest, before] = whole;
  // What is newer than the newest whole one is being filled.
  const old = names.slice(0, newest ? names.indexOf(newest) : 0).filter((name) => name !== before);
  await Promise.all(old.map((name) => caches.delete(name)));
  await scope.clients.claim();
}

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  url.search = url.hash = "";
  const path = url.href === base.href ? "index.html" : url.pathname.slice(base.pathname.length);
  const held = HASHED.test(path) && (await caches.match(url));
  if (held) return held;
  const known = await newestCache();
  if (path === INDEX) return fetch(request).catch(async (error: unknown) => (await known?.cache.match(new URL(INDEX, base))) ?? Promise.reject(error));
  const name = known && (known.index.files[path] ? path : `${path}.html`);
  const facts = known?.index.files[name ?? ""];
  if (!known || !facts) return fetch(request);
  const key = new URL(name!, base);
  try {
    const response = await fetch(request);
    const [check, copy] = [response.clone(), response.clone()];
    // In the background: the page need not wait for a digest.
    verified(check, facts).then((good) => (good ? known.cache.put(key, copy) : undefined)).catch(() => undefined);
    return response;
  } catch (error) {
    const kept = await known.cache.match(key);
    if (kept) return kept;
    throw error;
  }
}

scope.addEventListener("install", (event) => event.waitUntil(install().then(() => scope.skipWaiting())));
scope.addEventListener("activate", (event) => event.waitUntil(tidy()));
scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const api = url.pathname.startsWith(`${base.pathname}v1/`);
  if (request.method === "GET" && url.href.startsWith(base.href) && !api && !request.headers.has("range")) event.respondWith(answer(request));
});

export {};
