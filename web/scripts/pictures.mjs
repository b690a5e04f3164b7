// The pictures in docs/images, taken anew from the present binary: `npm run pictures` with TWINSET_BIN, as for the tests.
// EXAMPLE chooses the drawn photo that is searched with, 1 to 6.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openBrowser, openPage, startServer } from "../tests/house.mjs";

const place = (name) => fileURLToPath(new URL(`../../docs/images/${name}.png`, import.meta.url));
const PRODUCTS = 120;
const server = await startServer(["demo", "--headless", "--keep", "--products", String(PRODUCTS)], PRODUCTS);
const browser = await openBrowser();
try {
  const { page, close } = await openPage(browser, server.base, { viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
  await page.goto(server.base);
  await page.getByRole("button", { name: `Search with example photo ${process.env.EXAMPLE ?? 5}` }).click();
  await page.locator("#results[aria-busy=false] .tile:not(.skeleton)").first().waitFor();
  await page.waitForFunction(() => [...document.images].every((image) => image.complete || image.getBoundingClientRect().top > innerHeight));
  await page.screenshot({ path: place("search") });
  await page.goto(`${server.base}/admin`);
  await page.getByRole("table", { name: "Stages of a search" }).waitFor();
  // Two readings, ten seconds apart, make a point of each chart.
  await page.waitForFunction(() => document.querySelectorAll("figure.chart circle, figure.chart path").length > 0);
  await page.screenshot({ path: place("admin") });
  await close();
} finally {
  await browser.close();
  await server.stop();
  rmSync(server.home, { recursive: true, force: true });
}
