// What this site keeps on this device, by place and size, and the one way to forget all of it.
import { OURS } from "./store.ts";

export interface Kept {
  place: "IndexedDB" | "Cache" | "localStorage" | "service worker";
  name: string;
  /** Bytes where the browser tells, else the number of entries. */
  size: number;
  unit: "bytes" | "entries";
}

/** Everything of ours that this origin keeps. */
export async function storageReport(): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (const { name } of (await indexedDB.databases?.()) ?? []) if (name?.startsWith(OURS)) kept.push({ place: "IndexedDB", name, size: await countRows(name), unit: "entries" });
  if ("caches" in globalThis)
    for (const name of (await caches.keys()).filter((key) => key.startsWith(OURS))) {
      const cache = await caches.open(name);
      const lengths = await Promise.all((await cache.matchAll()).map(async (response) => (await response.blob()).size));
      kept.push({ place: "Cache", name, size: lengths.reduce((a, b) => a + b, 0), unit: "bytes" });
    }
  for (const name of ourKeys()) kept.push({ place: "localStorage", name, size: localStorage.getItem(name)?.length ?? 0, unit: "bytes" });
  for (const { scope } of (await navigator.serviceWorker?.getRegistrations()) ?? []) kept.push({ place: "service worker", name: scope, size: 1, unit: "entries" });
  return kept;
}

/** Leave nothing: databases, caches, keys, service workers of this origin that are ours. Open tabs must be closed or
 * reloaded; databases that one of them holds open are deleted as soon as it lets go. */
export async function eraseEverything(): Promise<void> {
  for (const registration of (await navigator.serviceWorker?.getRegistrations()) ?? []) await registration.unregister();
  if ("caches" in globalThis) for (const name of await caches.keys()) if (name.startsWith(OURS)) await caches.delete(name);
  for (const name of ourKeys()) localStorage.removeItem(name);
  for (const { name } of (await indexedDB.databases?.()) ?? [])
    if (name?.startsWith(OURS))
      await new Promise<void>((resolve) => {
        const request = indexedDB.deleteDatabase(name);
        request.onsuccess = request.onerror = request.onblocked = () => resolve();
      });
}

function ourKeys(): string[] {
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(OURS));
  } catch {
    return [];
  }
}

function countRows(name: string): Promise<number> {
  return new Promise((resolve) => {
    const request = indexedDB.open(name);
    request.onerror = () => resolve(0);
    request.onsuccess = () => {
      const database = request.result;
      const stores = [...database.objectStoreNames];
      let rows = 0;
      if (!stores.length) {
        database.close();
        return resolve(0);
      }
      const transaction = database.transaction(stores);
      for (const store of stores) {
        const count = transaction.objectStore(store).count();
        count.onsuccess = () => (rows += count.result);
      }
      transaction.oncomplete = () => {
        database.close();
        resolve(rows);
      };
    };
  });
}
