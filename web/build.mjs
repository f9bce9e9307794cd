// Bundle the sources with esbuild into dist/: entries (unhashed, carrying the asset table), app (workers), pages.
// Names are final only after `py-edge bundle` has put the app folder under its hash.
import { execFileSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const TYPED = ["py-edge", "edge", "element", "problem", "protocol", "rpc", "runtime", "source", "store", "predict"].map((name) => `${name}.d.ts`);
const common = { bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none", logLevel: "warning" };

await rm("dist", { recursive: true, force: true });
await mkdir("dist/app", { recursive: true });
await build({ ...common, entryPoints: ["src/py-edge.ts", "src/predict.ts", "src/sw.ts"], outdir: "dist" });
await build({ ...common, entryPoints: ["src/predict.worker.ts", "src/learn.worker.ts", "src/node.worker.ts", "src/inpage.ts"], outdir: "dist/app" });
await build({
  ...common,
  entryPoints: ["demo.ts", "desk.ts", "dashboard.ts", "inspect.ts", "playground.ts", "teach.ts", "look.css"].map((name) => `src/pages/${name}`),
  outdir: "dist/app",
  external: ["../py-edge.js"],
});
await cp("src/pages/icon.svg", "dist/app/icon.svg");
await cp("pages", "dist", { recursive: true });

// Types of the public modules: what tsc declares, one file a module, behind an entry beside each script.
execFileSync("npx", ["--no-install", "tsc", "--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--stripInternal", "--outDir", "dist/types", "--rootDir", "src"]);
for (const name of await readdir("dist/types")) {
  if (!TYPED.includes(name)) await rm(`dist/types/${name}`, { recursive: true });
  else await writeFile(`dist/types/${name}`, (await readFile(`dist/types/${name}`, "utf8")).replaceAll('.ts"', '.js"'));
}
for (const [entry, module] of Object.entries({ "py-edge": "py-edge", predict: "predict" })) await writeFile(`dist/${entry}.d.ts`, `export * from "./types/${module}.js";\n`);
