// What everybody else does: loadPyodide, then numpy, then one operation.
onmessage = async ({ data: indexURL }) => {
  try {
    const { loadPyodide } = await import(`${indexURL}pyodide.mjs`);
    const pyodide = await loadPyodide({ indexURL, packageBaseUrl: indexURL });
    const python = performance.now();
    await pyodide.loadPackage("numpy");
    const numpy = performance.now();
    pyodide.runPython("import numpy; float((numpy.ones((8, 8)) @ numpy.ones((8, 8))).sum())");
    postMessage({ value: { steps: { python, numpy } } });
  } catch (error) {
    postMessage({ problem: { message: String(error) } });
  }
};
