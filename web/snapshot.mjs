// Make what the learn worker starts from: the memory of a Python that has imported py_edge, then py_edge's files, compiled.
// node snapshot.mjs RUNTIME_FOLDER WHEEL OUTPUT
// gzip of: u32 length of the index | index, JSON { memory_bytes, written: [[begin, end], …], files: [[path below site-packages, bytes], …] }
// | what stands in the written parts of the memory; the rest of it, about half, is zero | files.
// Files are those that Python may still ask for: what is imported is in the memory.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

/** Of no use in a tab: what Python was compiled from, C, the rooms that only a machine has. And what names the distribution:
 * Pyodide would note it as a package of its own, which no snapshot may hold. */
const LEFT_OUT = /\.(py|c|h|md|mjs)$|^py_edge\/(bench|commands|demo|testing|__main__|cli)\b|\.dist-info\//;

const [runtime, wheel, output] = process.argv.slice(2).map((path) => resolve(path));
const { loadPyodide } = await import(pathToFileURL(`${runtime}/pyodide.mjs`).href);
const options = { indexURL: runtime, enableRunUntilComplete: false, env: { HOME: "/home/web", PYTHONHASHSEED: "0" } };

/** [path, content] of every file of the wheel that a tab needs, each module as bytecode in its source's place. */
async function compiledFiles() {
  let site;
  const pyodide = await loadPyodide({ ...options, fsInit: async (_, { sitePackages }) => void (site = sitePackages) });
  const { FS } = pyodide;
  pyodide.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel", { extractDir: site });
  const invalidation_mode = pyodide.pyimport("py_compile").PycInvalidationMode.UNCHECKED_HASH;
  if (!pyodide.pyimport("compileall").compile_dir.callKwargs(site, { quiet: 1, legacy: true, invalidation_mode })) throw new Error("py_edge does not compile");
  const below = (folder) =>
    FS.readdir(folder).filter((name) => !/^\.\.?$|^__pycache__$/.test(name)).sort().flatMap((name) => {
      const path = `${folder}/${name}`;
      return FS.isDir(FS.stat(path).mode) ? below(path) : [path.slice(site.length + 1)];
    });
  return below(site).filter((path) => !LEFT_OUT.test(path)).map((path) => [path, FS.readFile(`${site}/${path}`)]);
}

/** The memory once py_edge is imported, its side module not loaded: libraries cannot be in a snapshot. And the other files. */
async function importWith(files) {
  const fsInit = async (FS, { sitePackages }) => {
    for (const [path, bytes] of files) {
      const whole = `${sitePackages}/${path}`;
      FS.mkdirTree(whole.slice(0, whole.lastIndexOf("/")));
      FS.writeFile(whole, bytes);
    }
  };
  const pyodide = await loadPyodide({ ...options, _makeSnapshot: true, fsInit });
  pyodide.pyimport("py_edge.host.browser").destroy();
  const { modules } = pyodide.pyimport("sys");
  const imported = new Set(modules);
  modules.destroy();
  pyodide.pyimport("gc").collect();
  const moduleOf = (path) => path.replace(/(\/__init__)?\.pyc$/, "").replaceAll("/", ".");
  return { memory: pyodide.makeMemorySnapshot(), files: files.filter(([path]) => !imported.has(moduleOf(path))) };
}

const PAGE_BYTES = 4096;

/** [begin, end] of the parts of the memory that hold anything but zeros, in whole pages. */
function writtenParts(memory) {
  const parts = [];
  for (let begin = 0; begin < memory.length; begin += PAGE_BYTES) {
    const page = memory.subarray(begin, begin + PAGE_BYTES);
    if (page.every((byte) => byte === 0)) continue;
    const end = begin + page.length;
    if (parts.at(-1)?.[1] === begin) parts.at(-1)[1] = end;
    else parts.push([begin, end]);
  }
  return parts;
}

const { memory, files } = await importWith(await compiledFiles());
const written = writtenParts(memory);
const index = Buffer.from(JSON.stringify({ memory_bytes: memory.length, written, files: files.map(([path, bytes]) => [path, bytes.length]) }));
const length = Buffer.alloc(4);
length.writeUInt32LE(index.length);
writeFileSync(output, gzipSync(Buffer.concat([length, index, ...written.map(([begin, end]) => memory.subarray(begin, end)), ...files.map(([, bytes]) => bytes)]), { level: 9 }));
