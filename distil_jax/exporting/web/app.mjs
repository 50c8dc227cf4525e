// Fill-mask in the browser: tokens by @huggingface/tokenizers, the graph by onnxruntime-web.
// The teacher's answer, if the server has one, is asked from it.
import * as ort from "./vendor/ort.wasm.min.mjs";
import { Tokenizer } from "./vendor/tokenizers.mjs";

const COUNT = 5;
const PAUSE_MILLISECONDS = 80;
const place = (id) => document.getElementById(id);

const json = async (path) => (await fetch(path)).json();
const about = await json("about.json");
const [tokenizerFile, tokenizerConfig, graph] = await Promise.all([
  json("model/tokenizer.json"),
  json("model/tokenizer_config.json"),
  fetch("model/model.onnx").then((answer) => answer.arrayBuffer()),
]);
const tokenizer = new Tokenizer(tokenizerFile, tokenizerConfig);
ort.env.wasm.wasmPaths = new URL("./vendor/", import.meta.url).href;
ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
const session = await ort.InferenceSession.create(new Uint8Array(graph), {
  executionProviders: ["wasm"],
});

function tensor(values) {
  return new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
}

function probabilities(logits) {
  let top = -Infinity;
  for (const value of logits) top = Math.max(top, value);
  const shares = Float64Array.from(logits, (value) => Math.exp(value - top));
  const total = shares.reduce((sum, value) => sum + value, 0);
  return shares.map((value) => value / total);
}

function best(logits) {
  const shares = probabilities(logits);
  const order = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a] || a - b);
  return order.slice(0, COUNT).map((id) => {
    const text = tokenizer.decode([id]).trim() || tokenizer.id_to_token(id);
    return { token: text, probability: shares[id] };
  });
}

// What the exported student answers: candidates for each mask, and the time of the graph alone.
export async function fill(text) {
  const ids = Array.from(tokenizer.encode(text).ids, Number);
  const places = ids.flatMap((id, index) => (id === about.mask_id ? [index] : []));
  if (!places.length) throw new Error(`Put ${about.mask} into the text.`);
  if (ids.length > about.positions) {
    throw new Error(`${ids.length} tokens, but the model has ${about.positions} positions: shorten the text.`);
  }
  const every = {
    input_ids: tensor(ids),
    attention_mask: tensor(ids.map(() => 1)),
    token_type_ids: tensor(ids.map(() => 0)),
  };
  const inputs = Object.fromEntries(session.inputNames.map((name) => [name, every[name]]));
  const start = performance.now();
  const { logits } = await session.run(inputs);
  const milliseconds = performance.now() - start;
  const width = logits.dims[2];
  // Rows of the table beyond the tokenizer's tokens only pad it.
  const masks = places.map((at) => best(logits.data.subarray(at * width, at * width + about.tokens)));
  return { masks, milliseconds };
}

async function askTeacher(text) {
  const answer = await fetch("teacher", { method: "POST", body: JSON.stringify({ text }) });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function column(role, detail, candidates, shared) {
  const made = element("section", role);
  const title = element("h3", "", role);
  title.append(element("small", "latency", detail));
  const list = document.createElement("ol");
  for (const { token, probability } of candidates) {
    const line = document.createElement("li");
    line.append(element("span", "mark", shared.has(token) ? "=" : ""));
    line.append(element("span", "token", token));
    line.append(element("span", "share", `${(100 * probability).toFixed(1)} %`));
    const bar = element("span", "bar");
    bar.style.width = `${100 * probability}%`;
    line.append(bar);
    list.append(line);
  }
  made.append(title, list);
  return made;
}

function show(student, teacher) {
  const blocks = student.masks.map((candidates, index) => {
    const block = document.createElement("div");
    if (student.masks.length > 1) block.append(element("h2", "", `Mask ${index + 1}`));
    const other = teacher?.masks[index] ?? [];
    const names = new Set(other.map(({ token }) => token));
    const shared = new Set(candidates.map(({ token }) => token).filter((name) => names.has(name)));
    const pair = element("div", "models");
    pair.append(column("student", `${student.milliseconds.toFixed(1)} ms, in this browser`, candidates, shared));
    if (teacher) pair.append(column("teacher", `${teacher.milliseconds.toFixed(1)} ms, in Python`, other, shared));
    block.append(pair);
    return block;
  });
  place("answers").replaceChildren(...blocks);
}

let latest = 0;
async function answer() {
  const own = ++latest;
  const text = place("text").value;
  try {
    const [student, teacher] = await Promise.all([fill(text), about.teacher ? askTeacher(text) : null]);
    if (own !== latest) return;
    place("problem").textContent = "";
    show(student, teacher);
    document.body.dataset.answered = text;
  } catch (error) {
    if (own !== latest) return;
    place("answers").replaceChildren();
    place("problem").textContent = error.message;
  }
}

place("about").textContent =
  `${about.name}: ${(about.bytes / 1e6).toFixed(1)} MB, ${about.quantisation}, ` +
  `${ort.env.wasm.numThreads} thread(s) of WebAssembly` + (about.teacher ? `; teacher: ${about.teacher}` : "");
place("mask").textContent = about.mask;
place("text").disabled = false;
place("text").value = about.example;
let timer;
place("text").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(answer, PAUSE_MILLISECONDS);
});
await answer();
document.body.dataset.ready = "yes";
