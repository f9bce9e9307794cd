// Among the tabs of one device one leads: a Web Lock says who, and an epoch in the store fences off whoever was
// overtaken (its lock stolen, frozen, or a browser without locks): it is read in the transaction of every write.
import type { Store, Tables } from "./store.ts";

class Overtaken extends Error {}

/** Become the newest leader; gives the epoch to write under. */
export function nextEpoch(store: Store): Promise<number> {
  return store.write(async (tables) => {
    const epoch = (((await tables.get("pointers", "epoch")) as number | undefined) ?? 0) + 1;
    await tables.put("pointers", "epoch", epoch);
    return epoch;
  });
}

/** The store as long as `epoch` is the newest. The first write after that changes nothing, calls `onlost`, and never ends. */
export function fence(store: Store, epoch: number, onlost: () => void): Store {
  const guarded = <T>(work: (tables: Tables) => Promise<T>) => async (tables: Tables) => {
    if ((await tables.get("pointers", "epoch")) !== epoch) throw new Overtaken();
    return work(tables);
  };
  return {
    durable: store.durable,
    read: (work) => store.read(work),
    write: async <T>(work: (tables: Tables) => Promise<T>): Promise<T> => {
      try {
        return await store.write(guarded(work));
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error;
        onlost();
        return new Promise<T>(() => {});
      }
    },
    close: () => {},
  };
}
