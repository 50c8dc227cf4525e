// node type.mjs ADDRESS TEXT: opens the page at phone width, types, and prints what is shown.
// CHROME names a browser to use in place of the installed one.
import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const [address, text] = process.argv.slice(2);
// The package's own flags are for a cloud function: they put the page into the browser's process,
// where no page is isolated and WebAssembly has one thread.
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
page.on("console", (message) => message.type() === "error" && !message.text().includes("422") && errors.push(message.text()));
await page.setViewport({ width: 360, height: 800 });
await page.goto(address);
await page.waitForSelector("body[data-ready=yes]");
const type = async (value) => {
  await page.$eval("#text", (box) => box.select());
  await page.type("#text", value);
};
await type(text);
await page.waitForFunction((value) => document.getElementById("fill").dataset.answered === JSON.stringify([value]), {}, text);
const shown = await page.evaluate(() => {
  const texts = (selector) => [...document.querySelectorAll(selector)].map((one) => one.textContent);
  return {
    about: document.querySelector("#fill .about").textContent,
    student: texts(".student .token"),
    student_shares: texts(".student .share").map(parseFloat),
    student_latency: texts(".student .latency"),
    teacher: texts(".teacher .token"),
    teacher_latency: texts(".teacher .latency"),
    isolated: crossOriginIsolated,
    width: document.documentElement.scrollWidth,
  };
});
await type("nothing to fill");
await page.waitForFunction(() => document.querySelector("#fill .problem").textContent !== "");
const problem = await page.$eval("#fill .problem", (one) => one.textContent);
console.log(JSON.stringify({ ...shown, outside, errors, problem }));
await browser.close();
