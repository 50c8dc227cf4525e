// Search by meaning: the visitor's own lines, ranked by the cosine of their vectors with a question's.
import { element, line, live, textBox } from "./elements.mjs";

export const title = "Search your own text by meaning";

// Of length 1; texts that are too long lose their ends.
async function vectorOf(model, prompt, text) {
  const { length, lower_case } = model.about;
  const whole = prompt + text;
  const ids = model.encode(lower_case ? whole.toLowerCase() : whole);
  const kept = ids.length > length ? [...ids.slice(0, length - 1), ids.at(-1)] : ids;
  const { outputs } = await model.run(kept);
  const vector = outputs.sentence_embedding.data;
  const norm = Math.hypot(...vector) || 1;
  return Float32Array.from(vector, (value) => value / norm);
}

const product = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);

export async function start(section, model) {
  const { about } = model;
  const texts = textBox(section, "searched", "Your text, a line for each passage", about.texts, 6);
  const question = textBox(section, "question", "A question", about.example, 1);
  const known = new Map();
  await live(section, [texts, question], async (all, asked) => {
    const lines = [...new Set(all.split("\n").map((one) => one.trim()).filter(Boolean))];
    if (!lines.length) throw new Error("Put a line of text into the first box.");
    if (!asked.trim()) throw new Error("Ask something in the second box.");
    const start = performance.now();
    for (const one of lines) if (!known.has(one)) known.set(one, await vectorOf(model, about.text_prompt, one));
    const sought = await vectorOf(model, about.query_prompt, asked.trim());
    const time = element("p", "latency", `${(performance.now() - start).toFixed(1)} ms, in this browser`);
    const ranked = lines.map((one) => ({ one, cosine: product(known.get(one), sought) }));
    ranked.sort((a, b) => b.cosine - a.cosine);
    const list = element("ol", "found");
    list.append(...ranked.map(({ one, cosine }) => line("", one, cosine, cosine.toFixed(3))));
    return { status: `Nearest: ${ranked[0].one}`, shown: [list, time] };
  });
}
