// The search page in a real browser against the real server: one story a test.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { demoPhoto, greyPicture, openBrowser, openPage, shoot, startDemo, startServer } from "./house.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let browser, server, photo;

before(async () => {
  [browser, server] = await Promise.all([openBrowser(), startDemo()]);
  photo = await demoPhoto(server.base);
}, { timeout: 240_000 });
after(async () => {
  await browser?.close();
  await server?.stop();
});

const story = (name, run, options) =>
  test(name, { timeout: 60_000 }, async () => {
    const { page, context, close } = await openPage(browser, server.base, options);
    await page.goto(server.base);
    await run(page, context);
    await close();
  });

const choose = (page, file) => page.getByTestId("choose").setInputFiles(file);
const tiles = (page) => page.locator(".tile:not(.skeleton)");
const found = async (page) => {
  await tiles(page).first().waitFor();
  await page.locator("#results[aria-busy=false]").waitFor();
};
const start = async (page) => {
  await choose(page, photo.file);
  await found(page);
};

/** No violation of WCAG 2.2 A or AA, as far as a machine can see. */
async function accessible(page, where) {
  // The policy allows no foreign script, so axe comes through the debugger and not as a script element.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  assert.deepEqual(violations.map(({ id, nodes }) => [where, id, nodes.map(({ html }) => html.slice(0, 160))]), []);
}

story("choose a photo: it is shown at once, its article is found again", async (page) => {
  await choose(page, photo.file);
  await page.locator(".stage img").waitFor();
  await found(page);
  const titles = await tiles(page).locator("h3").allTextContents();
  assert.ok(titles.includes(photo.product.title), `${photo.product.title} is not among ${titles}`);
  assert.match(await page.getByRole("status").first().textContent(), /\d+ results? for/);
});

story("what is sent is small and carries no metadata", async (page) => {
  const exif = Buffer.concat([Buffer.from([0xff, 0xe1, 0, 20]), Buffer.from("Exif\0\0GPSSECRETPLACE")]).subarray(0, 22);
  const buffer = Buffer.concat([photo.file.buffer.subarray(0, 2), exif, photo.file.buffer.subarray(2)]);
  const sent = page.waitForRequest((request) => request.url().endsWith("/search"));
  await choose(page, { ...photo.file, buffer });
  const body = (await sent).postDataBuffer();
  assert.ok(body && body.length > 500 && !body.includes("SECRETPLACE"));
  await found(page);
});

story("paste a photo", async (page) => {
  await page.evaluate((bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", { type: "image/jpeg" }));
    dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, [...photo.file.buffer]);
  await found(page);
});

story("drop a photo", async (page) => {
  const data = await page.evaluateHandle((bytes) => {
    const carried = new DataTransfer();
    carried.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", { type: "image/jpeg" }));
    return carried;
  }, [...photo.file.buffer]);
  await page.dispatchEvent("body", "dragenter", { dataTransfer: data });
  await page.getByText("Drop the photo here").waitFor();
  await page.dispatchEvent("body", "drop", { dataTransfer: data });
  await found(page);
});

story("take a photo with the camera", async (page, context) => {
  await context.grantPermissions(["camera"]);
  await page.getByRole("button", { name: "Take a photo" }).click();
  await page.locator('.finder[data-state="live"]').waitFor();
  await page.waitForFunction(() => document.querySelector("video").videoWidth > 0);
  await page.getByRole("button", { name: "Take the photo" }).click();
  await page.locator(".stage img").waitFor();
});

story("the camera is refused: it says how to allow it, and Escape gives the focus back", async (page) => {
  await page.evaluate(() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError")); });
  await page.getByRole("button", { name: "Take a photo" }).click();
  await page.getByRole("alert").getByText("The camera is not allowed here").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Take a photo");
});

story("an example photo, and Back to the start", async (page) => {
  await page.getByRole("button", { name: "Search with example photo 1" }).click();
  await found(page);
  await shoot(page, "example-1280");
  await page.goBack();
  await page.getByRole("heading", { name: "Search by photo" }).waitFor();
});

story("tap another box; Back returns to the first", async (page) => {
  await start(page);
  const chosen = page.locator('.chips .chip[aria-pressed="true"]');
  const before = await chosen.textContent();
  const dots = page.locator(".dot");
  if (await dots.count()) await dots.first().click();
  else await page.getByRole("button", { name: "Whole photo" }).click();
  await page.waitForFunction((was) => document.querySelector('.chips .chip[aria-pressed="true"]')?.textContent !== was || location.search.includes("box="), before);
  await found(page);
  await page.goBack();
  await found(page);
  assert.equal(await chosen.textContent(), before);
});

story("move a handle with the keyboard, the mouse and a reload", async (page) => {
  await start(page);
  await page.getByRole("button", { name: "Whole photo" }).click();
  await found(page);
  const corner = page.getByRole("button", { name: "Top left corner" });
  await corner.focus();
  await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("Shift+ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(/box=0\.05,0\.06,0\.95,0\.94/);
  await found(page);
  const handle = await page.locator(".handle.se").boundingBox();
  await page.mouse.move(handle.x + 22, handle.y + 22);
  await page.mouse.down();
  await page.mouse.move(handle.x - 40, handle.y - 40, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction(() => !location.search.includes("0.95,0.94"));
  await found(page);
  const box = new URL(page.url()).searchParams.get("box");
  await page.reload();
  await found(page);
  assert.equal(new URL(page.url()).searchParams.get("box"), box);
  assert.equal(await page.getByRole("button", { name: "Your own box" }).count(), 1);
});

story("filter by colour: only that colour, kept in the address; clear it", async (page) => {
  await start(page);
  const before = await tiles(page).count();
  await page.locator(".filters").getByRole("button", { name: "Colour" }).click();
  const first = page.getByRole("group", { name: "Colour" }).getByRole("checkbox").first();
  await first.check({ force: true });
  await page.waitForURL(/color=/);
  await found(page);
  const wanted = new URL(page.url()).searchParams.get("color");
  const answer = await page.evaluate(async ({ at, color }) => {
    const filter = encodeURIComponent(`color in ('${color}')`);
    return (await (await fetch(`/v1/catalogues/${at}/products?limit=500&filter=${filter}`)).json()).items.map(({ title }) => title);
  }, { at: photo.catalogue, color: wanted });
  for (const title of await tiles(page).locator("h3").allTextContents()) assert.ok(answer.includes(title), `${title} is not ${wanted}`);
  await page.getByRole("button", { name: "Clear all" }).click();
  await page.waitForURL((url) => !url.searchParams.has("color"));
  await found(page);
  assert.equal(await tiles(page).count(), before);
});

story("filters that leave nothing say so", async (page) => {
  await start(page);
  await page.goto(`${page.url()}&price=-0.01`);
  await page.getByRole("heading", { name: "No result passes these filters" }).waitFor();
  await page.locator(".notice").getByRole("button", { name: "Clear all" }).click();
  await found(page);
});

story("sort by price", async (page) => {
  await start(page);
  await page.getByRole("combobox", { name: "Sort" }).selectOption("price");
  await page.waitForURL(/sort=price/);
  await found(page);
  const prices = await page.evaluate(() => [...document.querySelectorAll(".tile .price")].map((one) => Number((one.querySelector("ins > [aria-hidden]") ?? one).textContent.replace(/[^\d.]/g, ""))));
  assert.ok(prices.length > 2);
  assert.deepEqual(prices, [...prices].sort((a, b) => a - b));
});

story("why this: both pictures, a sentence, the claims; find similar from there", async (page) => {
  await start(page);
  await page.locator(".tile-why").first().click();
  const sheet = page.getByRole("dialog", { name: "Why this?" });
  await sheet.getByText(/match|similar shape|same article/i).first().waitFor();
  assert.equal(await sheet.getByRole("img").count(), 2);
  assert.equal(await sheet.locator(".side").nth(0).locator(".part").count(), await sheet.locator(".side").nth(1).locator(".part").count());
  await shoot(page, "why-1280");
  await accessible(page, "why");
  await page.keyboard.press("Escape");
  await sheet.waitFor({ state: "detached" });
  assert.ok(await page.evaluate(() => document.activeElement.classList.contains("tile-why")), "the focus came back");
  await page.locator(".tile-why").first().click();
  await sheet.getByRole("button", { name: "Find similar to this" }).click();
  await page.waitForURL(/product=/);
  await found(page);
});

story("a copied link finds the same without the photo on the server", async (page, context) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await start(page);
  const first = await tiles(page).first().locator("h3").textContent();
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByText("Link copied").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(link.includes("#p=") && link.length < 32_000, `${link.length} characters`);
  const other = await context.newPage();
  await other.goto(link);
  await found(other);
  const titles = await tiles(other).locator("h3").allTextContents();
  assert.ok(titles.slice(0, 6).includes(first), `${first} is not among ${titles.slice(0, 6)}`);
});

for (const [locale, title] of Object.entries({ "ko-KR": "사진으로 찾기", "zh-CN": "以图搜衣", "en-GB": "Search by photo", "ja-JP": "写真でさがす" })) {
  story(`speaks ${locale}`, async (page) => {
    await page.getByRole("heading", { level: 1, name: title }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang.slice(0, 2)), locale.slice(0, 2));
    await shoot(page, `start-${locale}`);
    await start(page);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "nothing sticks out");
  }, { locale, viewport: { width: 360, height: 740 } });
}

story("the language is switched and remembered", async (page) => {
  await page.getByRole("combobox", { name: "Language" }).selectOption("ko");
  await page.getByRole("heading", { name: "사진으로 찾기" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "사진으로 찾기" }).waitFor();
});

for (const [name, options] of Object.entries({
  "360 light": { viewport: { width: 360, height: 740 }, hasTouch: true },
  "360 dark": { viewport: { width: 360, height: 740 }, colorScheme: "dark" },
  "768 light": { viewport: { width: 768, height: 1024 } },
  "1440 dark": { viewport: { width: 1440, height: 900 }, colorScheme: "dark" },
  "1440 light": { viewport: { width: 1440, height: 900 } },
})) {
  story(`axe finds nothing at ${name}`, async (page) => {
    await page.locator(".examples img").first().waitFor();
    await accessible(page, "start");
    await shoot(page, `start ${name}`.replaceAll(" ", "-"));
    await start(page);
    await page.waitForLoadState("networkidle");
    await accessible(page, "results");
    await shoot(page, `results ${name}`.replaceAll(" ", "-"));
    await page.locator(".filters .menu .pill").first().click();
    await page.waitForTimeout(400);
    await accessible(page, "filter");
  }, { reducedMotion: "reduce", ...options });
}

story("not a picture", async (page) => {
  await choose(page, { name: "notes.jpg", mimeType: "image/jpeg", buffer: Buffer.from("this is a text") });
  await page.getByRole("alert").getByText("This is not a picture we can read").waitFor();
  await accessible(page, "not a picture");
  await page.getByRole("alert").getByRole("button", { name: "New photo" }).click();
  await page.getByRole("heading", { name: "Search by photo" }).waitFor();
});

story("HEIC, which this browser cannot open", async (page) => {
  await choose(page, { name: "IMG_1.HEIC", mimeType: "image/heic", buffer: Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from("ftypheic"), Buffer.alloc(12)]) });
  await page.getByText("Your browser cannot open HEIC photos").waitFor();
});

story("a flat grey photo: an answer in words, never a blank page", async (page) => {
  await choose(page, { name: "grey.png", mimeType: "image/png", buffer: greyPicture(300) });
  await page.locator("#results[aria-busy=false]").waitFor();
  await page.locator(".tile:not(.skeleton), .notice").first().waitFor();
});

story("a photo of this tab that is gone", async (page) => {
  await page.goto(`${server.base}/?photo=0123456789ab`);
  await page.getByText("This is no longer here").waitFor();
});

story("the server does not answer; it comes back", async (page) => {
  await page.route("**/search", (route) => route.abort());
  await choose(page, photo.file);
  await page.getByRole("alert").getByText("The server does not answer").waitFor();
  assert.ok(await page.locator(".stage img").isVisible(), "the photo is still there");
  await accessible(page, "server down");
  await page.unroute("**/search");
  await page.getByRole("button", { name: "Try again" }).click();
  await found(page);
});

story("the server is busy: it waits as long as it is told, and shows an id", async (page) => {
  let refused = 0;
  await page.route("**/search", (route) => {
    refused += 1;
    if (refused > 1) return route.continue();
    return route.fulfill({ status: 503, contentType: "application/problem+json", headers: { "retry-after": "2", "x-request-id": "01TESTID" }, body: JSON.stringify({ code: "busy", title: "busy", status: 503 }) });
  });
  await choose(page, photo.file);
  await page.getByText("The server is busy").waitFor();
  await page.getByText("01TESTID").waitFor();
  await found(page);
});

story("cancel a slow search", async (page) => {
  await page.route("**/search", () => {});
  await choose(page, photo.file);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "The search was cancelled." }).waitFor();
  await page.unroute("**/search");
  await page.getByRole("button", { name: "Try again" }).click();
  await found(page);
});

story("the API's reader shows every path, and every problem has its page", async (page) => {
  await page.goto(`${server.base}/docs`);
  await page.getByRole("heading", { name: /\/v1\/catalogues\/\{catalogue\}\/search/ }).first().waitFor();
  await accessible(page, "docs");
  await page.goto(`${server.base}/problems/filter-syntax`);
  await page.getByRole("heading", { name: "The filter cannot be read" }).waitFor();
  await accessible(page, "problem");
});

test("an empty home says how to fill it", { timeout: 60_000 }, async () => {
  const { mkdtempSync, rmSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const home = mkdtempSync(`${tmpdir()}/twinset-page-`);
  const empty = await startServer(["serve", "--home", home]);
  try {
    const { page, close } = await openPage(browser, empty.base);
    await page.goto(empty.base);
    await page.getByText("twinset import").waitFor();
    await accessible(page, "no catalogue");
    await fetch(`${empty.base}/v1/catalogues/main`, { method: "PUT" });
    await page.reload();
    await page.getByRole("heading", { name: "This catalogue is still empty" }).waitFor();
    await close();
  } finally {
    await empty.stop();
    rmSync(home, { recursive: true, force: true });
  }
});
