// All pages in a real browser against the real binary. The demo draws its shop once; its home is then served again with
// other settings.
import { rmSync } from "node:fs";
import { after, before, describe } from "node:test";
import { PATIENCE, demoPhoto, openBrowser, startDemo } from "./house.mjs";
import { adminStories } from "./stories/admin.mjs";
import { searchStories } from "./stories/search.mjs";
import { widgetStories } from "./stories/widget.mjs";

/** Filled before the first story. */
const shop = {};

before(async () => {
  [shop.browser, shop.server] = await Promise.all([openBrowser(), startDemo()]);
  shop.home = shop.server.home;
  shop.photo = await demoPhoto(shop.server.base);
}, { timeout: PATIENCE });
after(async () => {
  await shop.browser?.close();
  await shop.server?.stop();
  if (shop.home) rmSync(shop.home, { recursive: true, force: true });
});

describe("the search page", { concurrency: 1 }, () => searchStories(shop));
describe("the operator pages", { concurrency: 1 }, () => adminStories(shop));
describe("the widget", { concurrency: 1 }, () => widgetStories(shop));
