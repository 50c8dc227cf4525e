// node sections.mjs ADDRESS TYPED [PICTURES]: opens a page with all sections, types what TYPED (JSON)
// has for each box, and prints what is shown; then without a network, once more. PICTURES: a folder for
// screenshots at phone and desk width, light and dark.
import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const [address, typed, pictures] = process.argv.slice(2);
const browser = await puppeteer.launch({
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  executablePath: process.env.CHROME || (await chromium.executablePath()),
  headless: "shell",
});
const page = await browser.newPage();
const outside = [];
const errors = [];
page.on("request", (request) => {
  if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(address)) outside.push(request.url());
});
page.on("pageerror", (error) => errors.push(String(error)));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
await page.setViewport({ width: 360, height: 800 });
await page.goto(address);
await page.waitForSelector("body[data-ready=yes]", { timeout: 120_000 });

// With the keyboard alone: from the page's start, by Tab, to each box in turn.
async function type(every) {
  const reached = [];
  await page.evaluate(() => document.activeElement.blur());
  while (reached.length < Object.keys(every).length) {
    await page.keyboard.press("Tab");
    const id = await page.evaluate(() => document.activeElement.id);
    if (!(id in every)) continue;
    reached.push(id);
    await page.$eval(`#${id}`, (box) => box.select());
    await page.keyboard.type(every[id]);
  }
  await page.waitForFunction(() =>
    [...document.querySelectorAll(".task")].every((section) => {
      const boxes = [...section.querySelectorAll("textarea")].map((box) => box.value);
      return section.dataset.answered === JSON.stringify(boxes);
    }),
  );
  return reached;
}

const read = () =>
  page.evaluate(() => {
    const texts = (selector) => [...document.querySelectorAll(selector)].map((one) => one.textContent);
    return {
      problems: texts(".problem").filter(Boolean),
      said: Object.fromEntries([...document.querySelectorAll(".task")].map((one) => [one.id, one.querySelector(".said").textContent])),
      classes: texts("#classify .token"),
      shares: texts("#classify .share").map(parseFloat),
      tags: JSON.parse(document.getElementById("entities").dataset.tags),
      found: texts("#search .token"),
      cosines: texts("#search .share").map(parseFloat),
      width: document.documentElement.scrollWidth,
    };
  });

const every = JSON.parse(typed);
const reached = await type(every);
const shown = await read();
const tree = await page.accessibility.snapshot();
const named = [];
const walk = (node) => {
  if (["textbox", "navigation", "region", "link"].includes(node.role)) named.push([node.role, node.name]);
  (node.children ?? []).forEach(walk);
};
walk(tree);
if (pictures) {
  for (const width of [360, 1280]) {
    for (const scheme of ["light", "dark"]) {
      await page.setViewport({ width, height: 800 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await page.screenshot({ path: `${pictures}/${width}-${scheme}.png`, fullPage: true });
    }
  }
}
const offline = { offline: true, latency: 0, downloadThroughput: 0, uploadThroughput: 0 };
for (const target of browser.targets()) {
  if (!["page", "service_worker"].includes(target.type())) continue;
  const session = await target.createCDPSession();
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", offline);
}
const before = errors.splice(0);
const reachable = await page.evaluate(() => fetch("nothing.json").then(() => true, () => false));
errors.splice(0); // the browser's own line about that
await page.reload();
await page.waitForSelector("body[data-ready=yes]", { timeout: 120_000 });
await type(every);
console.log(JSON.stringify({ ...shown, reached, named, outside, errors: [...before, ...errors], reachable, offline: await read() }));
await browser.close();
