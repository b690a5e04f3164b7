// What every browser test needs: a real server on a demo home, a real Chromium, and pictures made here.
//
// TWINSET_BIN: the binary (default ../target/release/twinset). CHROMIUM: the browser (default /usr/bin/chromium).
// TWINSET_DIST: a folder of built pages that stand in for those in the binary, while one works on them.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { chromium } from "playwright-core";

const BIN = process.env.TWINSET_BIN ?? fileURLToPath(new URL("../../target/release/twinset", import.meta.url));
const DIST = process.env.TWINSET_DIST;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

const freePort = () =>
  new Promise((done) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

/** What the program has printed, once all of it is there. */
function answerOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `twinset ARGUMENTS --listen 127.0.0.1:PORT`, ready to answer, with at least so many products searchable. */
export async function startServer(args, products = 0) {
  if (!existsSync(BIN)) throw new Error(`${BIN} is not there; build it (cargo build --release) or set TWINSET_BIN`);
  const port = await freePort();
  const child = spawn(BIN, [...args, "--json", "--listen", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "pipe"] });
  let [log, told] = ["", ""];
  child.stdout.on("data", (chunk) => { told += chunk; });
  child.stderr.on("data", (chunk) => { log = (log + chunk).slice(-4000); });
  const base = `http://127.0.0.1:${port}`;
  const stop = () =>
    new Promise((done) => {
      if (child.exitCode !== null) return done();
      child.once("exit", done);
      child.kill("SIGINT");
      setTimeout(() => child.kill("SIGKILL"), 5000).unref();
    });
  const until = Date.now() + PATIENCE; // drawing and looking at the demo takes a while on a small machine
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${log}`);
    const list = await fetch(`${base}/v1/catalogues`).then((answer) => answer.json()).catch(() => null);
    const stocked = list?.items.every(({ counts, change, snapshot }) => counts.products >= products && change === snapshot);
    const said = answerOf(told);
    if (said && stocked && (products === 0 || list.items.length > 0)) return { base, stop, ...said };
    if (Date.now() > until) { await stop(); throw new Error(`the server is not ready:\n${log}`); }
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** A story may take so long on a machine that does much else beside. None waits for a time: each waits for what it wants to see. */
export const PATIENCE = 300_000;
const STEP = 120_000;

/** A command of the program, run to its end. */
export const twinset = (...args) => promisify(execFile)(BIN, [...args, "--quiet"]);

/** The demo; its home stays behind as `home`. */
export const startDemo = () => startServer(["demo", "--headless", "--keep", "--products", "40"], 40);

export const openBrowser = () =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
  });

const builtFile = (path) => {
  const name = { "/": "index.html", "/docs": "docs.html", "/demo-shop": "demo-shop.html" }[path] ?? (/^\/admin(\/|$)/.test(path) ? "admin.html" : path.slice(1));
  return existsSync(`${DIST}/${name}`) ? `${DIST}/${name}` : "";
};
/** The file from TWINSET_DIST, under the headers of the binary's page: its policy is tested too. */
async function stand(route) {
  const { pathname, origin } = new URL(route.request().url());
  const answer = await route.fetch({ url: /\.\w+$/.test(pathname) ? `${origin}/${pathname.endsWith(".css") ? "plain.css" : "widget.js"}` : route.request().url() });
  const { etag: _, "content-length": __, ...headers } = answer.headers();
  return route.fulfill({ status: 200, headers, body: readFileSync(builtFile(pathname)) });
}

/** A page that fails its test on any script error, blocked resource or request to elsewhere than `base` and `also`. */
export async function openPage(browser, base, { also = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", ...options });
  context.setDefaultTimeout(STEP);
  const page = await context.newPage();
  if (DIST) await context.route((url) => url.origin === base && builtFile(url.pathname), stand);
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (/Content Security Policy/i.test(message.text())) faults.push(message.text());
  });
  page.on("request", (request) => {
    if (![base, ...also].some((one) => request.url().startsWith(one)) && !request.url().startsWith("blob:")) faults.push(`asked ${request.url()}`);
  });
  const close = async () => {
    await context.close();
    if (faults.length) throw new Error(faults.join("\n"));
  };
  return { page, context, close };
}

/** The demo's catalogue, and one of its pictures as a file a shopper could have. */
export async function demoPhoto(base, at = 0) {
  const { items } = await fetch(`${base}/v1/catalogues`).then((answer) => answer.json());
  const catalogue = (items.find(({ name }) => name === "main") ?? items[0]).name;
  const { items: products } = await fetch(`${base}/v1/catalogues/${catalogue}/products?limit=40`).then((answer) => answer.json());
  const product = products.filter(({ images }) => images?.length)[at];
  const address = `${base}/v1/catalogues/${catalogue}/products/${encodeURIComponent(product.id)}/images/${encodeURIComponent(product.images[0].name)}/content`;
  const buffer = Buffer.from(await fetch(address).then((answer) => answer.arrayBuffer()));
  return { catalogue, product, file: { name: "photo.jpg", mimeType: "image/jpeg", buffer } };
}

/** A flat grey PNG. */
export function greyPicture(side) {
  const chunk = (kind, data) => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(data.length, 0);
    head.write(kind, 4, "latin1");
    const tail = Buffer.alloc(4);
    tail.writeUInt32BE(crc32(Buffer.concat([head.subarray(4), data])), 0);
    return Buffer.concat([head, data, tail]);
  };
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  const rows = Buffer.alloc(side * (side + 1), 128);
  for (let row = 0; row < side; row += 1) rows[row * (side + 1)] = 0;
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", zlib.deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function crc32(bytes) {
  if (zlib.crc32) return zlib.crc32(bytes); // node 22
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

/** Screenshots for people to look at: only with TWINSET_SHOTS=FOLDER. */
export async function shoot(page, name) {
  const folder = process.env.TWINSET_SHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** No violation of WCAG 2.2 A or AA, as far as a machine can see. */
export async function accessible(page, where) {
  // Colours are judged as they stay, not on their way.
  await page.evaluate(() => Promise.all(document.getAnimations().filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity).map(({ finished }) => finished.catch(() => undefined))));
  // The policy allows no foreign script, so axe comes through the debugger and not as a script element.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  assert.deepEqual(violations.map(({ id, nodes }) => [where, id, nodes.map(({ html }) => html.slice(0, 160))]), []);
}
