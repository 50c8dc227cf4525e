// Pieces of the page.
export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

export const percent = (share) => `${(100 * share).toFixed(1)} %`;

// A line of a list: a mark, a name, its share as a number and as a bar.
export function line(mark, name, share, number = percent(share)) {
  const made = document.createElement("li");
  const bar = element("span", "bar");
  bar.setAttribute("aria-hidden", "true");
  bar.style.width = `${100 * Math.max(0, share)}%`;
  const token = element("span", "token", name);
  token.title = name;
  made.append(element("span", "mark", mark), token, element("span", "share", number), bar);
  return made;
}

// A labelled text area in a section.
export function textBox(section, id, label, value, rows) {
  const box = element("textarea");
  Object.assign(box, { id, rows, value, spellcheck: false });
  const caption = element("label", "", label);
  caption.htmlFor = id;
  section.append(caption, box);
  return box;
}

// `answer` once now and after each pause in typing; what it throws is shown. Only the last counts.
const PAUSE_MILLISECONDS = 80;
export async function live(section, boxes, answer) {
  const problem = element("p", "problem");
  problem.setAttribute("role", "alert");
  const said = element("p", "said");
  said.setAttribute("role", "status");
  const answers = element("div", "answers");
  section.append(problem, said, answers);
  let latest = 0;
  let timer;
  async function refresh() {
    const own = ++latest;
    const typed = boxes.map((box) => box.value);
    try {
      const { status, shown } = await answer(...typed);
      if (own !== latest) return;
      problem.textContent = "";
      said.textContent = status;
      answers.replaceChildren(...shown);
    } catch (error) {
      if (own !== latest) return;
      said.textContent = "";
      answers.replaceChildren();
      problem.textContent = error.message;
    }
    section.dataset.answered = JSON.stringify(typed);
  }
  for (const box of boxes) {
    box.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(refresh, PAUSE_MILLISECONDS);
    });
  }
  await refresh();
}
