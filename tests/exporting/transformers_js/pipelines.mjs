// node pipelines.mjs FOLDER ASKED: every pipeline of transformers.js that ASKED (JSON) names, from
// FOLDER alone; prints what each answers. No model is fetched: the library may not ask any host.
import { env, pipeline } from "@huggingface/transformers";

const [folder, asked] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = `${folder}/`;
const fetched = [];
globalThis.fetch = (address) => {
  fetched.push(String(address));
  throw new Error(`${address} was asked for`);
};
const answers = [];
for (const { task, model, dtype, inputs, options } of JSON.parse(asked)) {
  const run = await pipeline(task, model, dtype ? { dtype } : {});
  const answer = await run(...inputs, options ?? {});
  answers.push(answer.dims ? { dims: answer.dims, data: Array.from(answer.data) } : answer);
  await run.dispose();
}
console.log(JSON.stringify({ answers, fetched }));
