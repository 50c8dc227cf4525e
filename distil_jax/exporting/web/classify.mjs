// Classes of a text: one of several, any of several, or a value.
import { element, line, live, percent, textBox } from "./elements.mjs";
import { softmax } from "./graph.mjs";

export const title = "Classify a text";

const sigmoid = (value) => 1 / (1 + Math.exp(-value));

function named(about, logits) {
  const shares = about.kind === "labels" ? Array.from(logits, sigmoid) : Array.from(softmax(logits));
  const found = shares.map((share, index) => ({ name: about.labels[index] ?? `label ${index}`, share }));
  return found.sort((a, b) => b.share - a.share);
}

function summary(about, found) {
  if (about.kind === "classes") return `${found[0].name}, ${percent(found[0].share)}`;
  const names = found.filter(({ share }) => share >= about.threshold).map(({ name }) => name);
  return names.length ? names.join(", ") : "None of the labels";
}

export async function start(section, model) {
  const { about } = model;
  const box = textBox(section, "classified", "A text", about.example, 3);
  await live(section, [box], async (text) => {
    const { outputs, milliseconds } = await model.run(model.encode(text));
    const logits = outputs.logits.data;
    const time = element("p", "latency", `${milliseconds.toFixed(1)} ms, in this browser`);
    if (about.kind === "value") return { status: logits[0].toFixed(3), shown: [time] };
    const found = named(about, logits);
    const list = document.createElement("ol");
    list.append(...found.map(({ name, share }) => line(about.kind === "labels" && share >= about.threshold ? "✓" : "", name, share)));
    return { status: summary(about, found), shown: [list, time] };
  });
}
