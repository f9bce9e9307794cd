// Bundle the sources with esbuild into dist/: entries (unhashed, carrying the asset table), app (workers), pages.
// Names are final only after `py-edge bundle` has put the app folder under its hash.
import { execFileSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { minify } from "terser";

const TYPED = ["py-edge", "edge", "element", "learner", "problem", "protocol", "rpc", "runtime", "source", "store", "predict", "pixels"].map((name) => `${name}.d.ts`);

const PAGES = {
  "index.html": "Device", "desk.html": "Desk", "dashboard.html": "Dashboard", "stream.html": "Stream", "fleet.html": "Fleet",
  "teach.html": "Teach", "playground.html": "Playground", "inspect.html": "Inspect",
};

/** The start of every head; what a page has for itself, its title and its script, stands in the page. */
const HEAD = `<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="__APP__icon.svg" type="image/svg+xml">
<link rel="manifest" href="manifest.webmanifest">
<link rel="stylesheet" href="__APP__look.css">`;

/** One navigation for all pages, told which one it stands on. */
function navigation(here) {
  const entries = Object.entries(PAGES).map(([name, title]) => `    <li><a href="${name === "index.html" ? "./" : name}"${name === here ? ' aria-current="page"' : ""}>${title}</a></li>`);
  return `<nav aria-label="pages"><ul>\n${entries.join("\n")}\n  </ul></nav>`;
}

/** The written-out digest lies with the workers; entries at the root learn the folder's name when it is bundled. */
const fromRoot = { define: { SHA256_FILE: '"__APP__sha256.js"' } };
const fromApp = { define: { SHA256_FILE: '"sha256.js"' } };
const common = { bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none", logLevel: "warning" };

/** The bundle puts a copy of py-edge.js beside our pages' scripts. */
const beside = { name: "beside", setup: ({ onResolve }) => onResolve({ filter: /\/py-edge\.js$/ }, () => ({ path: "./py-edge.js", external: true })) };

await rm("dist", { recursive: true, force: true });
await mkdir("dist/app", { recursive: true });
await build({ ...common, ...fromRoot, entryPoints: ["src/py-edge.ts", "src/predict.ts", "src/pixels.ts", "src/sw.ts"], outdir: "dist" });
await build({ ...common, ...fromApp, entryPoints: ["src/sha256.ts", "src/worker.ts", "src/crew.ts", "src/crew.worker.ts", "src/node.worker.ts", "src/inpage.ts", "src/uplink.ts"], outdir: "dist/app" });
await build({
  ...common,
  ...fromApp,
  entryPoints: ["demo.ts", "desk.ts", "dashboard.ts", "inspect.ts", "playground.ts", "teach.ts", "stream.ts", "fleet.ts", "look.css"].map((name) => `src/pages/${name}`),
  outdir: "dist/app",
  plugins: [beside],
});
// What a page loads first is counted in bytes, and terser finds a twentieth more than esbuild.
for (const name of ["py-edge.js", "predict.js", "pixels.js", "sw.js", "app/worker.js", "app/node.worker.js"]) {
  const { code } = await minify(await readFile(`dist/${name}`, "utf8"), { module: true, ecma: 2020, compress: { passes: 3 } });
  await writeFile(`dist/${name}`, code);
}
await cp("src/pages/icon.svg", "dist/app/icon.svg");
await cp("node_modules/uplot/LICENSE", "dist/app/uPlot.LICENSE.txt");
await cp("pages", "dist", { recursive: true });
for (const name of (await readdir("dist")).filter((file) => file.endsWith(".html"))) {
  const page = await readFile(`dist/${name}`, "utf8");
  await writeFile(`dist/${name}`, page.replace("__HEAD__", HEAD).replace("__NAV__", navigation(name)));
}

// Types of the public modules: what tsc declares, one file a module, behind an entry beside each script.
execFileSync("npx", ["--no-install", "tsc", "--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--stripInternal", "--outDir", "dist/types", "--rootDir", "src"]);
for (const name of await readdir("dist/types")) {
  if (!TYPED.includes(name)) await rm(`dist/types/${name}`, { recursive: true });
  else await writeFile(`dist/types/${name}`, (await readFile(`dist/types/${name}`, "utf8")).replaceAll('.ts"', '.js"'));
}
for (const [entry, module] of Object.entries({ "py-edge": "py-edge", predict: "predict", pixels: "pixels" })) await writeFile(`dist/${entry}.d.ts`, `export * from "./types/${module}.js";\n`);
