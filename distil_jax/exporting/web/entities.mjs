// Entities in a text: words are tagged by their first token, and neighbours of a kind joined.
import { element, live, textBox } from "./elements.mjs";

export const title = "Find names in a text";

const OUTSIDE = "O";

// Letters and digits together, each other sign alone, with where they begin.
function words(text) {
  return [...text.matchAll(/[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}]/gu)].map((found) => ({ word: found[0], from: found.index }));
}

async function tag(model, every) {
  const around = model.encode("");
  const ids = [around[0]];
  const firsts = every.map(({ word }, index) => {
    const own = model.encode(index ? ` ${word}` : word, { add_special_tokens: false });
    const place = own.length ? ids.length : -1;
    ids.push(...own);
    return place;
  });
  ids.push(around.at(-1));
  const { outputs, milliseconds } = await model.run(ids);
  const { data, dims } = outputs.logits;
  const tags = firsts.map((place) => {
    if (place < 0) return OUTSIDE;
    const logits = data.subarray(place * dims[2], (place + 1) * dims[2]);
    return model.about.labels[logits.indexOf(Math.max(...logits))];
  });
  return { tags, milliseconds };
}

// Runs of words: {kind, from, to}; B- begins one, and so does another kind.
function spans(every, tags) {
  const found = [];
  let open = null;
  every.forEach(({ word, from }, index) => {
    const label = tags[index];
    const [, begin, kind] = /^(?:([BI])-)?(.*)$/.exec(label);
    if (label === OUTSIDE) open = null;
    else if (!open || begin === "B" || open.kind !== kind) found.push((open = { kind, from, to: from + word.length }));
    else open.to = from + word.length;
  });
  return found;
}

function marked(text, found) {
  const shown = element("p", "marked");
  let place = 0;
  for (const { kind, from, to } of found) {
    shown.append(text.slice(place, from));
    const mark = element("mark", "", text.slice(from, to));
    mark.append(element("small", "", ` ${kind}`));
    shown.append(mark);
    place = to;
  }
  shown.append(text.slice(place));
  return shown;
}

export async function start(section, model) {
  const box = textBox(section, "tagged", "A text", model.about.example, 3);
  await live(section, [box], async (text) => {
    const every = words(text);
    const { tags, milliseconds } = await tag(model, every);
    section.dataset.tags = JSON.stringify(every.map(({ word }, index) => [word, tags[index]]));
    const found = spans(every, tags);
    const names = found.map(({ kind, from, to }) => `${text.slice(from, to)} (${kind})`).join(", ");
    const time = element("p", "latency", `${milliseconds.toFixed(1)} ms, in this browser`);
    return { status: names || "No names found", shown: [marked(text, found), time] };
  });
}
