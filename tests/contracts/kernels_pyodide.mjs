// Run kernel cases on the side module inside Pyodide: node kernels_pyodide.mjs RUNTIME PACKAGE CASES RESULTS
// PACKAGE: folder py_edge; the same files as kernels_alone.mjs, and the name of the build that load.py chose.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

process.on("uncaughtException", (error) => {
  console.error(String(error.message).slice(-2000));
  process.exit(1);
});
const [runtime, source, cases, results] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${runtime}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: runtime });

function copy(from, to) {
  pyodide.FS.mkdirTree(to);
  for (const name of readdirSync(from)) {
    if (name === "__pycache__") continue;
    if (statSync(`${from}/${name}`).isDirectory()) continue;
    pyodide.FS.writeFile(`${to}/${name}`, new Uint8Array(readFileSync(`${from}/${name}`)));
  }
}
copy(source, "/home/pyodide/py_edge");
copy(`${source}/kernels`, "/home/pyodide/py_edge/kernels");
copy(`${source}/kernels/_build`, "/home/pyodide/py_edge/kernels/_build");
pyodide.FS.writeFile("/home/pyodide/cases.json", readFileSync(cases));
writeFileSync(results, await pyodide.runPythonAsync(`
import base64, ctypes, json, sys
sys.path.insert(0, "/home/pyodide")
from py_edge.kernels.load import library
own = library()
def run(case):
    code, data = case["code"], base64.b64decode(case["arena"])
    words = (ctypes.c_int32 * len(code))(*code)
    memory = ctypes.create_string_buffer(len(data) + 192)
    base = ctypes.addressof(memory) + -ctypes.addressof(memory) % 64
    ctypes.memmove(base, data, len(data))
    status = own.run(ctypes.addressof(words), 0, len(code), base, base, base)
    return {"status": status, "arena": base64.b64encode(ctypes.string_at(base, len(data))).decode()}
answers = [run(case) for case in json.load(open("/home/pyodide/cases.json"))]
json.dumps({"panel": own.panel, "name": own.name, "numpy": "numpy" in sys.modules, "results": answers})
`));
