// Fill the mask: the student's tokens, and beside them the teacher's, which the server is asked for.
import { element, line, live, textBox } from "./elements.mjs";
import { softmax } from "./graph.mjs";

const COUNT = 5;
export const title = "Fill the mask";

function best(model, logits) {
  const shares = softmax(logits);
  const order = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a] || a - b);
  return order.slice(0, COUNT).map((id) => {
    const text = model.tokenizer.decode([id]).trim() || model.tokenizer.id_to_token(id);
    return { token: text, probability: shares[id] };
  });
}

// Candidates for each mask, and the time of the graph alone.
async function fill(model, text) {
  const { about } = model;
  const ids = model.encode(text);
  const places = ids.flatMap((id, index) => (id === about.mask_id ? [index] : []));
  if (!places.length) throw new Error(`Put ${about.mask} into the text.`);
  const { outputs, milliseconds } = await model.run(ids);
  const { logits } = outputs;
  const width = logits.dims[2];
  // Rows of the table beyond the tokenizer's tokens only pad it.
  const masks = places.map((at) => best(model, logits.data.subarray(at * width, at * width + about.tokens)));
  return { masks, milliseconds };
}

// Null where the server is gone: the student goes on alone.
async function askTeacher(text) {
  const answer = await fetch("teacher", { method: "POST", body: JSON.stringify({ text }) }).catch(() => null);
  if (!answer) return null;
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function column(role, detail, candidates, shared) {
  const made = element("section", role);
  const heading = element("h4", "", role);
  heading.append(element("small", "latency", detail));
  const list = document.createElement("ol");
  list.append(...candidates.map(({ token, probability }) => line(shared.has(token) ? "=" : "", token, probability)));
  made.append(heading, list);
  return made;
}

function block(student, teacher, index) {
  const made = document.createElement("div");
  const candidates = student.masks[index];
  if (student.masks.length > 1) made.append(element("h3", "", `Mask ${index + 1}`));
  const other = teacher?.masks[index] ?? [];
  const names = new Set(other.map(({ token }) => token));
  const shared = new Set(candidates.map(({ token }) => token).filter((name) => names.has(name)));
  const pair = element("div", "models");
  pair.append(column("student", `${student.milliseconds.toFixed(1)} ms, in this browser`, candidates, shared));
  if (teacher) pair.append(column("teacher", `${teacher.milliseconds.toFixed(1)} ms, in Python`, other, shared));
  made.append(pair);
  return made;
}

export async function start(section, model, teacher) {
  const { about } = model;
  const box = textBox(section, "text", `A sentence with ${about.mask} in it`, about.example, 3);
  await live(section, [box], async (text) => {
    const [student, other] = await Promise.all([fill(model, text), teacher ? askTeacher(text) : null]);
    const first = student.masks.map(([{ token }]) => token).join(", ");
    const gone = teacher && !other ? "; the teacher's server cannot be reached" : "";
    return { status: `Likeliest: ${first}${gone}`, shown: student.masks.map((_, index) => block(student, other, index)) };
  });
}
