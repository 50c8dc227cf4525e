// A model in the browser: tokens by @huggingface/tokenizers, the graph by onnxruntime-web.
import * as ort from "./vendor/ort.wasm.min.mjs";
import { Tokenizer } from "./vendor/tokenizers.mjs";

ort.env.wasm.wasmPaths = new URL("./vendor/", import.meta.url).href;
ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
export const threads = ort.env.wasm.numThreads;

const json = async (path) => (await fetch(path)).json();

function tensor(values) {
  return new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
}

// The model of this number: `encode` a text, `run` its ids.
export async function open(number, about) {
  const [tokenizerFile, tokenizerConfig, graph] = await Promise.all([
    json(`model/${number}/tokenizer.json`),
    json(`model/${number}/tokenizer_config.json`),
    fetch(`model/${number}/model.onnx`).then((answer) => answer.arrayBuffer()),
  ]);
  const tokenizer = new Tokenizer(tokenizerFile, tokenizerConfig);
  const session = await ort.InferenceSession.create(new Uint8Array(graph), { executionProviders: ["wasm"] });
  const encode = (text, options) => Array.from(tokenizer.encode(text, options).ids, Number);

  // The outputs by their names, and the milliseconds of the graph alone.
  async function run(ids) {
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
    const outputs = await session.run(inputs);
    return { outputs, milliseconds: performance.now() - start };
  }
  return { about, tokenizer, encode, run };
}

export function softmax(logits) {
  let top = -Infinity;
  for (const value of logits) top = Math.max(top, value);
  const shares = Float64Array.from(logits, (value) => Math.exp(value - top));
  const total = shares.reduce((sum, value) => sum + value, 0);
  return shares.map((value) => value / total);
}
