// Make the memory snapshot that the learn worker starts from: Python with py_edge imported, gzipped.
// node snapshot.mjs RUNTIME_FOLDER WHEEL OUTPUT
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const [runtime, wheel, output] = process.argv.slice(2).map((path) => resolve(path));
const { loadPyodide } = await import(pathToFileURL(`${runtime}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: runtime, _makeSnapshot: true, enableRunUntilComplete: false, env: { HOME: "/home/web", PYTHONHASHSEED: "0" } });
pyodide.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel");
// As the learn worker would, up to but without loading the side module: libraries cannot be in a snapshot.
pyodide.pyimport("py_edge.host.browser").destroy();
pyodide.pyimport("gc").collect();
writeFileSync(output, gzipSync(pyodide.makeMemorySnapshot(), { level: 9 }));
