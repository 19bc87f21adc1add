// Bundles the page into amqpy/management/ui/, where the broker serves it from and wheels have it, or, with `--tests`,
// the unit tests into build/tests/, where `node --test` runs them.
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const target = path.join(here, "..", "amqpy", "management", "ui");

const shared = {
  absWorkingDir: here,
  bundle: true,
  charset: "utf8",
  define: { "process.env.NODE_ENV": '"production"' },
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
  target: "es2022",
};

/** Builds beside the target and then takes its place, so that a page that is being served is never half there. */
async function buildPage() {
  const made = `${target}.new`;
  await rm(made, { recursive: true, force: true });
  await mkdir(made, { recursive: true });
  const { metafile } = await build({
    ...shared,
    entryPoints: [{ in: "src/main.tsx", out: "app" }],
    entryNames: "assets/[name]-[hash]",
    legalComments: "none",
    metafile: true,
    minify: true,
    outdir: made,
  });
  const outputs = Object.keys(metafile.outputs).map((name) => path.relative(made, path.resolve(here, name)));
  const of = (ending) => outputs.find((name) => name.endsWith(ending)).replaceAll(path.sep, "/");
  const html = await readFile(path.join(here, "src", "index.html"), "utf8");
  await writeFile(
    path.join(made, "index.html"),
    html.replace("app.js", of(".js")).replace("app.css", of(".css")),
  );
  await writeFile(path.join(made, "icon.svg"), await readFile(path.join(here, "src", "icon.svg")));
  await writeFile(path.join(made, "licenses.txt"), await licenses(Object.keys(metafile.inputs)));
  await rm(target, { recursive: true, force: true });
  await rename(made, target);
}

/** The licenses of the packages that these files are of. */
async function licenses(inputs) {
  const found = inputs.map((name) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(name)?.[1]);
  const texts = [];
  for (const name of [...new Set(found)].filter(Boolean).sort()) {
    const folder = path.join(here, "node_modules", name);
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    if (file === undefined) throw new Error(`${name} has no license`);
    const { version } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    texts.push(`${name} ${version}\n\n${await readFile(path.join(folder, file), "utf8")}`);
  }
  return texts.join(`\n${"-".repeat(72)}\n\n`);
}

async function buildTests() {
  const made = path.join(here, "build", "tests");
  await rm(made, { recursive: true, force: true });
  const names = (await readdir(path.join(here, "tests"))).filter((name) => /\.test\.tsx?$/.test(name));
  await build({
    ...shared,
    entryPoints: names.map((name) => `tests/${name}`),
    outdir: made,
    platform: "node",
    sourcemap: "inline",
  });
}

await (process.argv.includes("--tests") ? buildTests() : buildPage());
