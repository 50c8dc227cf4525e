// node type.mjs ADDRESS TEXT: opens the page at phone width, types, and prints what is shown.
// Ends with 3 where no browser starts; CHROME names one to use.
import puppeteer from "puppeteer-core";

const [address, text] = process.argv.slice(2);
let browser;
try {
  const { default: chromium } = await import("@sparticuz/chromium");
  browser = await puppeteer.launch({
    args: [...chromium.args, "--no-sandbox"],
    executablePath: process.env.CHROME || (await chromium.executablePath()),
    headless: "shell",
  });
} catch (error) {
  console.error(String(error));
  process.exit(3);
}
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
await page.waitForFunction((value) => document.body.dataset.answered === value, {}, text);
const shown = await page.evaluate(() => {
  const texts = (selector) => [...document.querySelectorAll(selector)].map((one) => one.textContent);
  return {
    about: document.getElementById("about").textContent,
    student: texts(".student .token"),
    student_shares: texts(".student .share").map(parseFloat),
    teacher: texts(".teacher .token"),
    width: document.documentElement.scrollWidth,
  };
});
await type("nothing to fill");
await page.waitForFunction(() => document.getElementById("problem").textContent !== "");
const problem = await page.$eval("#problem", (one) => one.textContent);
console.log(JSON.stringify({ ...shown, outside, errors, problem }));
await browser.close();
