// The widget on a page of another site: with hostile styles and a strict policy, with and without our server.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { PATIENCE, accessible, openPage, shoot, startServer } from "../house.mjs";

/** What a shop's worst style sheet does to everything it reaches. */
const HOSTILE = `
  html { font-size: 62.5%; }
  * { color: #a00000 !important; font: italic 40px cursive !important; letter-spacing: .5em !important; text-transform: uppercase !important; }
  div, ul, li, button, img { display: inline !important; position: static !important; margin: 30px !important; border: 5px dashed red !important; border-radius: 0 !important; }
  h1, p { font-size: 16px !important; }
  .frame { position: relative !important; }
`;

export function widgetStories(shop) {
  let foreign, site, api;
  /** The shop's own page; `page.body` may be changed by a story. */
  const page = { body: "" };

  before(async () => {
    foreign = createServer((request, response) => {
      if (request.url === "/shop.css") return response.setHeader("content-type", "text/css").end(HOSTILE);
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.setHeader("content-security-policy", `default-src 'none'; script-src ${api}; connect-src ${api} 'self'; img-src ${api} blob: 'self'; style-src 'self'; require-trusted-types-for 'script'`);
      return response.end(`<!doctype html><html lang="en"><head><title>A shop</title><link rel="stylesheet" href="/shop.css"><script type="module" src="${api}/widget.js"></script></head><body><main><h1>A shop</h1>${page.body}</main></body></html>`);
    });
    await new Promise((done) => foreign.listen(0, "127.0.0.1", done));
    site = `http://127.0.0.1:${foreign.address().port}`;
    // The demo has drawn the shop; now it is served for that site.
    await shop.server.stop();
    const config = `${shop.home}/widget-test.toml`;
    writeFileSync(config, `cors_origins = ["${site}"]\n`);
    shop.server = await startServer(["serve", "--home", shop.home, "--config", config], 40);
    api = shop.server.base;
  }, { timeout: PATIENCE });
  after(() => foreign?.close());

  const story = (name, body, run, options) =>
    test(name, { timeout: PATIENCE }, async () => {
      page.body = body();
      const opened = await openPage(shop.browser, site, { also: [api], ...options });
      await opened.page.goto(site);
      await run(opened.page, opened.context);
      await opened.close();
    });
  const search = () => `<twinset-search><a href="${api}/">Search by photo</a></twinset-search>`;
  const tiles = (at) => at.locator("twinset-search .tile:not(.skeleton)");

  story("the button says what it does, and nothing is fetched before it is used", search, async (at) => {
    const asked = [];
    at.on("request", (request) => asked.push(request.url()));
    const button = at.getByRole("button", { name: "Search by photo" });
    await button.waitFor();
    assert.deepEqual(asked.filter((url) => url.startsWith(api)), []);
    const style = await button.evaluate((one) => { const { fontSize, textTransform, letterSpacing, fontStyle, color } = getComputedStyle(one); return { fontSize, textTransform, letterSpacing, fontStyle, color }; });
    assert.deepEqual({ ...style, color: "" }, { fontSize: "15px", textTransform: "none", letterSpacing: "normal", fontStyle: "normal", color: "" });
    await accessible(at, "widget button");
  });

  story("choose a photo in the sheet: results, events, and the shop's own navigation", search, async (at) => {
    await at.evaluate(() => {
      globalThis.heard = [];
      for (const name of ["open", "results", "select"]) document.addEventListener(`twinset:${name}`, (event) => { globalThis.heard.push([name, event.detail]); if (name === "select") event.preventDefault(); });
    });
    await at.getByRole("button", { name: "Search by photo" }).click();
    const sheet = at.getByRole("dialog", { name: "Search by photo" });
    await sheet.getByRole("button", { name: "Choose a photo" }).waitFor();
    await shoot(at, "widget-begin-1280");
    await accessible(at, "widget sheet");
    await at.locator('twinset-search input[type="file"]').first().setInputFiles(shop.photo.file);
    await tiles(at).first().waitFor();
    assert.ok((await tiles(at).locator("h3").allTextContents()).includes(shop.photo.product.title));
    const size = await tiles(at).last().locator("h3").evaluate((one) => { const { fontSize, color, letterSpacing, textTransform } = getComputedStyle(one); return { fontSize, color, letterSpacing, textTransform }; });
    assert.deepEqual(size, { fontSize: "15px", color: "rgb(21, 22, 15)", letterSpacing: "normal", textTransform: "none" });
    await shoot(at, "widget-results-1280");
    await accessible(at, "widget results");
    await tiles(at).first().locator("h3 > *").click();
    const heard = await at.evaluate(() => globalThis.heard);
    assert.deepEqual(heard.map(([name]) => name), ["open", "results", "select"]);
    assert.ok(heard[1][1].ids.includes(shop.photo.product.id) && heard[1][1].box.w > 0);
    assert.equal(at.url(), `${site}/`);
    await at.keyboard.press("Escape");
    await sheet.waitFor({ state: "detached" });
    assert.equal(await at.evaluate(() => document.activeElement.tagName), "TWINSET-SEARCH", "the focus came back");
  });

  story("a phone in the dark", search, async (at) => {
    await at.getByRole("button", { name: "Search by photo" }).click();
    await at.locator('twinset-search input[type="file"]').first().setInputFiles(shop.photo.file);
    await tiles(at).first().waitFor();
    await at.waitForLoadState("networkidle");
    await shoot(at, "widget-results-360");
    assert.equal(await at.evaluate(() => document.querySelector("twinset-search").shadowRoot.querySelector("dialog").scrollWidth <= innerWidth), true, "nothing sticks out");
    await accessible(at, "widget phone");
  }, { viewport: { width: 360, height: 740 }, hasTouch: true, colorScheme: "dark" });

  story("open() and close() from the page's own script, with a file", search, async (at) => {
    await at.getByRole("button", { name: "Search by photo" }).waitFor();
    await at.evaluate((bytes) => document.querySelector("twinset-search").open(new File([new Uint8Array(bytes)], "a.jpg", { type: "image/jpeg" })), [...shop.photo.file.buffer]);
    await tiles(at).first().waitFor();
    await at.evaluate(() => document.querySelector("twinset-search").close());
    await at.getByRole("dialog").waitFor({ state: "detached" });
  });

  story("the strip of similar articles, in the shop's colour, without the article itself", () => `<twinset-similar product="${shop.photo.product.id}" limit="4" lang="ko"></twinset-similar>`, async (at) => {
    await at.getByRole("heading", { name: "비슷한 상품" }).waitFor();
    const shown = at.locator("twinset-similar .tile h3");
    assert.ok((await shown.count()) > 0 && (await shown.count()) <= 4);
    assert.ok(!(await shown.allTextContents()).includes(shop.photo.product.title));
    await shoot(at, "widget-strip-1280");
    await accessible(at, "widget strip");
  });

  story("a lens on a product picture", () => `${search()}<p class="frame"><img data-twinset-lens="${shop.photo.product.id}" alt="A piece" width="300" height="300" src="${api}/v1/catalogues/${shop.photo.catalogue}/products/${encodeURIComponent(shop.photo.product.id)}/images/${encodeURIComponent(shop.photo.product.images[0].name)}/content?w=320"></p>`, async (at) => {
    await at.getByRole("button", { name: "Find similar articles: A piece" }).click();
    await tiles(at).first().waitFor();
  });

  story("with a key every request carries it, those for pictures too", () => '<twinset-search key="tw_pub_a_b"></twinset-search>', async (at) => {
    const keys = [];
    // Which origins a key is for is the server's story; here it is let through.
    await at.route(`${api}/v1/**`, async (route) => {
      const { origin: _, ...headers } = route.request().headers();
      keys.push(headers.authorization);
      const response = await route.fetch({ headers });
      return route.fulfill({ response, headers: { ...response.headers(), "access-control-allow-origin": site } });
    });
    await at.getByRole("button", { name: "Search by photo" }).click();
    await at.locator('twinset-search input[type="file"]').first().setInputFiles(shop.photo.file);
    await tiles(at).first().locator('img[src^="blob:"]').waitFor();
    assert.ok(keys.length >= 3 && keys.every((key) => key === "Bearer tw_pub_a_b"), String(keys));
  });

  story("a product that is not there: the strip hides", () => '<twinset-similar product="none"></twinset-similar>', async (at) => {
    await at.locator("twinset-similar").waitFor({ state: "hidden" });
  });

  story("the server goes away: the elements hide, the page stays", () => `${search()}<twinset-similar product="${shop.photo.product.id}"></twinset-similar>`, async (at, context) => {
    await at.getByRole("button", { name: "Search by photo" }).waitFor();
    await at.locator("twinset-similar .tile").first().waitFor();
    await context.route(`${api}/**`, (route) => route.abort());
    await at.getByRole("button", { name: "Search by photo" }).click();
    await at.locator("twinset-search").waitFor({ state: "hidden" });
    assert.ok(await at.getByRole("heading", { name: "A shop" }).isVisible());
  });

  test("without JavaScript there is a link", { timeout: PATIENCE }, async () => {
    page.body = search();
    const { page: at, close } = await openPage(shop.browser, site, { also: [api], javaScriptEnabled: false });
    await at.goto(site);
    assert.equal(await at.getByRole("link", { name: "Search by photo" }).getAttribute("href"), `${api}/`);
    await close();
  });

  for (const [name, options] of Object.entries({ 360: { viewport: { width: 360, height: 740 } }, 1440: { viewport: { width: 1440, height: 900 } } })) {
    test(`the demo shop at ${name}`, { timeout: PATIENCE }, async () => {
      const { page: at, close } = await openPage(shop.browser, api, options);
      await at.goto(`${api}/demo-shop`);
      await at.locator(".products img").first().waitFor();
      await at.locator("twinset-lens").first().waitFor();
      await at.waitForLoadState("networkidle");
      assert.equal(await at.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "nothing sticks out");
      await accessible(at, "demo shop");
      await shoot(at, `shop-${name}`);
      await at.locator(".products h3 a").first().click();
      await at.locator("twinset-similar .tile").first().waitFor();
      await at.waitForLoadState("networkidle");
      await accessible(at, "demo shop product");
      await shoot(at, `shop-product-${name}`);
      const before = at.url();
      await at.locator("twinset-similar .tile h3 > *").first().click();
      await at.waitForURL((url) => url.href !== before && url.pathname === "/demo-shop");
      await close();
    });
  }
}
