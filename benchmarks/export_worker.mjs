// node export_worker.mjs LIBRARY FOLDER DTYPE: as export_worker.py, by transformers.js, which is
// installed in LIBRARY; FOLDER is what `export --layout=transformers.js` wrote, DTYPE fp32 or q8.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, basename, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [library, folder, dtype] = process.argv.slice(2);
const require = createRequire(join(resolve(library), "package.json"));
const entry = require.resolve("@huggingface/transformers");
const transformers = await import(pathToFileURL(entry));
const { AutoModel, Tensor, env } = transformers;
env.allowRemoteModels = false;
env.localModelPath = `${dirname(resolve(folder))}/`;

const field = (name) => {
  const line = readFileSync("/proc/self/status", "utf8").split("\n").find((each) => each.startsWith(name));
  return Number(line.split(/\s+/)[1]) / 1000;
};
const before = field("VmRSS");
const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
const named = transformers[(config.architectures ?? [])[0]] ?? AutoModel;
const threads = availableParallelism();
const session_options = { intraOpNumThreads: threads };
const model = await named.from_pretrained(basename(resolve(folder)), { dtype, session_options });
const known = new Set(model.sessions.model.inputNames);

function inputs(count, length) {
  const all = count * length;
  const ids = Array.from({ length: all }, () => BigInt(5 + Math.floor(Math.random() * (config.vocab_size - 5))));
  const tensor = (values) => new Tensor("int64", BigInt64Array.from(values), [count, length]);
  const every = {
    input_ids: tensor(ids),
    attention_mask: tensor(new Array(all).fill(1n)),
    token_type_ids: tensor(new Array(all).fill(0n)),
  };
  return Object.fromEntries(Object.entries(every).filter(([name]) => known.has(name)));
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "memory") {
    console.log(JSON.stringify([before, field("VmHWM")]));
    continue;
  }
  const [count, length, calls] = line.split(/\s+/).map(Number);
  const given = inputs(count, length);
  await model(given);
  const times = [];
  for (let call = 0; call < calls; call++) {
    const start = performance.now();
    const before = process.cpuUsage();
    await model(given);
    const { user, system } = process.cpuUsage(before);
    times.push([performance.now() - start, (user + system) / 1000]);
  }
  console.log(JSON.stringify(times));
}
