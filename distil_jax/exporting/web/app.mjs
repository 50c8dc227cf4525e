// The page: a section for each model that the server has, all of them in this browser.
import * as classify from "./classify.mjs";
import { element } from "./elements.mjs";
import * as entities from "./entities.mjs";
import * as fill from "./fill.mjs";
import { open, threads } from "./graph.mjs";
import * as search from "./search.mjs";

const SECTIONS = { fill, classify, entities, search };
const place = (id) => document.getElementById(id);

// Before anything large is loaded, so that all of it is kept. Browsers have it on https and localhost.
const PATIENCE_MILLISECONDS = 3000;
async function keepForOffline() {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return "";
  try {
    await serviceWorker.register("offline.mjs", { type: "module" });
  } catch (error) {
    return ` It is not kept for use without a network: ${error.message}.`;
  }
  if (serviceWorker.controller) return "";
  const taken = new Promise((go) => serviceWorker.addEventListener("controllerchange", go, { once: true }));
  await Promise.race([taken, new Promise((go) => setTimeout(go, PATIENCE_MILLISECONDS))]);
  const before = performance.getEntriesByType("resource").map(({ name }) => name);
  await Promise.all([location.pathname, ...before].map((name) => fetch(name)));
  return "";
}

function outline({ name, bytes, quantisation, task }) {
  const section = document.createElement("section");
  section.id = task;
  section.className = "task";
  const heading = element("h2", "", SECTIONS[task].title);
  heading.id = `${task}-title`;
  section.setAttribute("aria-labelledby", heading.id);
  section.append(heading, element("p", "about", `${name}: ${(bytes / 1e6).toFixed(1)} MB, ${quantisation}`));
  return section;
}

function link({ task }) {
  const made = element("a", "", SECTIONS[task].title);
  made.href = `#${task}`;
  return made;
}

try {
  const kept = await keepForOffline();
  const about = await (await fetch("about.json")).json();
  const sections = about.models.map(outline);
  if (about.models.length > 1) place("sections").append(...about.models.map(link));
  else place("sections").remove();
  place("tasks").replaceChildren(...sections);
  for (const [number, own] of about.models.entries()) {
    place("state").textContent = `Loading model ${number + 1} of ${about.models.length} …`;
    const model = await open(number, own);
    await SECTIONS[own.task].start(sections[number], model, about.teacher);
  }
  place("state").textContent =
    `Everything runs in this browser, ${threads} thread(s) of WebAssembly; what you type stays here` +
    (about.teacher ? `, but for the teacher (${about.teacher}), which the server runs.` : ".") + kept;
  document.body.dataset.ready = "yes";
} catch (error) {
  place("state").textContent = `The page could not be loaded: ${error.message}`;
  throw error;
}
