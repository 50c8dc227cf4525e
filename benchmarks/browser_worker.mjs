// node browser_worker.mjs LIBRARIES FOLDER DTYPE: vectors of texts, made by transformers.js in Chromium.
// LIBRARIES has node_modules of @huggingface/transformers, puppeteer-core and @sparticuz/chromium;
// FOLDER is what `export --layout=transformers.js --pooling=graph` wrote. Each line of the standard
// input is a JSON list of texts, each line of the output the list of their vectors and the
// milliseconds that the page took.
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { basename, dirname, extname, join, normalize, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [libraries, folder, dtype] = process.argv.slice(2);
const require = createRequire(join(resolve(libraries), "package.json"));
const load = async (name) => (await import(pathToFileURL(require.resolve(name)))).default;
const [chromium, puppeteer] = [await load("@sparticuz/chromium"), await load("puppeteer-core")];

const modules = join(resolve(libraries), "node_modules");
const roots = {
  library: join(modules, "@huggingface/transformers/dist"),
  runtime: join(modules, "onnxruntime-web/dist"),
  models: dirname(resolve(folder)),
};
const kinds = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };
const server = createServer((request, response) => {
  const [, root, ...rest] = decodeURIComponent(new URL(request.url, "http://host").pathname).split("/");
  const file = root in roots ? join(roots[root], normalize(join("/", ...rest))) : "";
  // Isolated, so that WebAssembly may have threads.
  const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  if (!root) return response.writeHead(200, { ...headers, "Content-Type": "text/html" }).end("<!doctype html>");
  if (!existsSync(file)) return response.writeHead(404, headers).end();
  response.writeHead(200, { ...headers, "Content-Type": kinds[extname(file)] ?? "application/octet-stream" });
  createReadStream(file).pipe(response);
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

const browser = await puppeteer.launch({
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  executablePath: process.env.CHROME || (await chromium.executablePath()),
  headless: "shell",
  protocolTimeout: 0,
});
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.evaluate(
  async (name, dtype) => {
    const { AutoModel, AutoTokenizer, env } = await import("/library/transformers.min.js");
    Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: "/models/" });
    env.backends.onnx.wasm.wasmPaths = "/runtime/";
    const tokenizer = await AutoTokenizer.from_pretrained(name);
    const model = await AutoModel.from_pretrained(name, { dtype, device: "wasm" });
    window.embed = async (texts) => {
      const started = performance.now();
      const found = await model(tokenizer(texts, { padding: true, truncation: true }));
      return [found.sentence_embedding.tolist(), performance.now() - started];
    };
  },
  basename(resolve(folder)),
  dtype,
);
console.log(JSON.stringify({ isolated: await page.evaluate(() => crossOriginIsolated) }));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await page.evaluate((texts) => window.embed(texts), JSON.parse(line))));
}
await browser.close();
server.close();
