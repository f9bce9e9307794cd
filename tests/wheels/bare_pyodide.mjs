// Install a wheel with micropip in a bare Pyodide under Node and run one Python file there.
// node bare_pyodide.mjs RUNTIME MICROPIP PACKAGING WHEEL SCRIPT
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

process.on("uncaughtException", (error) => {
  console.error(String(error.message).slice(-2000)); // not the stack: it quotes the runtime, one line of a megabyte
  process.exit(1);
});
const [runtime, micropip, packaging, wheel, script] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${runtime}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: runtime });
for (const path of [packaging, micropip]) pyodide.unpackArchive(new Uint8Array(readFileSync(path)), "wheel");
const kept = `/tmp/${basename(wheel)}`;
pyodide.FS.writeFile(kept, new Uint8Array(readFileSync(wheel)));
await pyodide.pyimport("micropip").install(`emfs:${kept}`);
console.log(await pyodide.runPythonAsync(readFileSync(script, "utf8")));
