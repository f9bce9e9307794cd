// Run one Python file in Pyodide under Node, with the working tree mounted: node mounted_pyodide.mjs RUNTIME ROOT SCRIPT DATA|'' [ARGUMENT ...]
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

process.on("uncaughtException", (error) => {
  console.error(String(error.message).slice(-2000));
  process.exit(1);
});
const [runtime, root, script, data, ...rest] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${runtime}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: runtime });
pyodide.FS.mkdirTree("/tree");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root }, "/tree");
if (data) {
  pyodide.FS.mkdirTree("/data");
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: data }, "/data");
}
pyodide.globals.set("arguments", pyodide.toPy([script, ...rest]));
pyodide.runPython("import sys; sys.path.insert(0, '/tree'); sys.argv = arguments; del arguments");
console.log(await pyodide.runPythonAsync(readFileSync(script, "utf8")));
