// The snapshot that web/snapshot.mjs makes: the memory of a Python with py_edge imported, and py_edge's files. It is unpacked
// while it arrives, so that Pyodide can start on the memory's place before its content is there.
import { readFile, requestFile } from "./fetching.ts";
import { EdgeError } from "./problem.ts";
import type { Locked } from "./protocol.ts";

export interface Snapshot {
  /** Being filled until `files` resolves. */
  memory: Uint8Array;
  /** [path below site-packages, content]; resolves once all is there and has the promised digest. */
  files: Promise<[string, Uint8Array][]>;
}

interface Index {
  memory_bytes: number;
  /** [begin, end] of the parts that are given; the rest of the memory is zero. */
  written: [number, number][];
  files: [string, number][];
}

/** Begin to read. Rejects, or its `files` do, where the snapshot is not to be had or is damaged. */
export async function openSnapshot(file: Locked, onbytes: (count: number) => void): Promise<Snapshot> {
  const response = await requestFile(file.url);
  const checked = readFile(response.clone(), file, { onbytes });
  checked.catch(() => undefined);
  const fill = filler(response.body!.pipeThrough(new DecompressionStream("gzip")));
  const [length] = new Uint32Array((await fill(new Uint8Array(4))).buffer);
  const index = JSON.parse(new TextDecoder().decode(await fill(new Uint8Array(length!)))) as Index;
  const memory = new Uint8Array(index.memory_bytes);
  const read = async () => {
    for (const [begin, end] of index.written) await fill(memory.subarray(begin, end));
    const content = await fill(new Uint8Array(index.files.reduce((sum, [, size]) => sum + size, 0)));
    await checked;
    let at = 0;
    return index.files.map(([path, size]): [string, Uint8Array] => [path, content.subarray(at, (at += size))]);
  };
  const files = read();
  files.catch(() => undefined);
  return { memory, files };
}

/** A function that fills an array with the stream's next bytes. */
function filler(stream: ReadableStream<Uint8Array>): (into: Uint8Array<ArrayBuffer>) => Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  let chunk = new Uint8Array(0);
  return async (into) => {
    for (let at = 0; at < into.length; ) {
      if (!chunk.length) {
        const { done, value } = await reader.read();
        if (done) throw new EdgeError({ code: "E_INTEGRITY", message: "the snapshot is cut off" });
        chunk = value as Uint8Array<ArrayBuffer>;
      }
      const part = chunk.subarray(0, into.length - at);
      into.set(part, at);
      at += part.length;
      chunk = chunk.subarray(part.length);
    }
    return into;
  };
}
