// The search page: one story a test.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PATIENCE, accessible, greyPicture, openPage, shoot, startServer, twinset } from "../house.mjs";

/** `shop`: the browser, the demo's server and a photo, once they are there. */
export function searchStories(shop) {
  const story = (name, run, options) =>
    test(name, { timeout: PATIENCE }, async () => {
      const { page, context, close } = await openPage(shop.browser, shop.server.base, options);
      await page.goto(shop.server.base);
      await run(page, context);
      await close();
    });

  const choose = (page, file) => page.getByTestId("choose").setInputFiles(file);
  const tiles = (page) => page.locator(".tile:not(.skeleton)");
  /** The question in the address is answered: with results, or with words that nothing is near enough. */
  const answered = async (page) => {
    await page.locator("#results[aria-busy=false]").locator(".tile:not(.skeleton), .notice").first().waitFor();
  };
  const found = async (page) => {
    await page.locator("#results[aria-busy=false]").waitFor();
    await tiles(page).first().waitFor();
  };
  const start = async (page) => {
    await choose(page, shop.photo.file);
    await found(page);
  };

  story("choose a photo: it is shown at once, its article is found again", async (page) => {
    await choose(page, shop.photo.file);
    await page.locator(".stage img").waitFor();
    await found(page);
    const titles = await tiles(page).locator("h3").allTextContents();
    assert.ok(titles.includes(shop.photo.product.title), `${shop.photo.product.title} is not among ${titles}`);
    assert.match(await page.getByRole("status").first().textContent(), /\d+ results? for/);
  });

  story("what is sent is small and carries no metadata", async (page) => {
    const exif = Buffer.concat([Buffer.from([0xff, 0xe1, 0, 20]), Buffer.from("Exif\0\0GPSSECRETPLACE")]).subarray(0, 22);
    const buffer = Buffer.concat([shop.photo.file.buffer.subarray(0, 2), exif, shop.photo.file.buffer.subarray(2)]);
    // Playwright shows no bytes of a form with files: the page's own fetch is asked.
    await page.evaluate(() => {
      const send = globalThis.fetch;
      globalThis.fetch = async (path, init) => {
        const image = init?.body instanceof FormData ? init.body.get("image") : undefined;
        if (image) globalThis.sent = [...new Uint8Array(await image.arrayBuffer())];
        return send(path, init);
      };
    });
    await choose(page, { ...shop.photo.file, buffer });
    await page.waitForFunction(() => globalThis.sent);
    const body = Buffer.from(await page.evaluate(() => globalThis.sent));
    assert.ok(body.length > 500 && !body.includes("SECRETPLACE"));
    await found(page);
  });

  story("paste a photo", async (page) => {
    await page.evaluate((bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", { type: "image/jpeg" }));
      dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }, [...shop.photo.file.buffer]);
    await found(page);
  });

  story("drop a photo", async (page) => {
    const data = await page.evaluateHandle((bytes) => {
      const carried = new DataTransfer();
      carried.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", { type: "image/jpeg" }));
      return carried;
    }, [...shop.photo.file.buffer]);
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
    // In a shop this small it may be that nothing is like it.
    await page.locator(".tile:not(.skeleton), .notice").first().waitFor();
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
    await answered(page); // the other article may be none of this shop's
    await page.goBack();
    await page.waitForFunction((was) => document.querySelector('.chips .chip[aria-pressed="true"]')?.textContent === was, before);
    await found(page);
    assert.equal(await chosen.textContent(), before);
  });

  story("move a handle with the keyboard, the mouse and a reload", async (page) => {
    await start(page);
    await page.getByRole("button", { name: "Whole photo" }).click();
    await answered(page);
    const corner = page.getByRole("button", { name: "Top left corner" });
    await corner.focus();
    await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("Shift+ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForURL(/box=0\.05,0\.06,0\.95,0\.94/);
    await answered(page);
    const handle = await page.locator(".handle.se").boundingBox();
    await page.mouse.move(handle.x + 22, handle.y + 22);
    await page.mouse.down();
    await page.mouse.move(handle.x - 40, handle.y - 40, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(() => !location.search.includes("0.95,0.94"));
    await answered(page);
    const box = new URL(page.url()).searchParams.get("box");
    await page.reload();
    await answered(page);
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
    }, { at: shop.photo.catalogue, color: wanted });
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
    // The outlines of the catalogue's picture come once its shape is known.
    await page.waitForFunction(() => { const [a, b] = [...document.querySelectorAll(".side")].map((side) => side.querySelectorAll(".part").length); return a === b; });
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
    await page.goto(`${shop.server.base}/?photo=0123456789ab`);
    await page.getByText("This is no longer here").waitFor();
  });

  story("the server does not answer; it comes back", async (page) => {
    await page.route("**/search", (route) => route.abort());
    await choose(page, shop.photo.file);
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
    await choose(page, shop.photo.file);
    await page.getByText("The server is busy").waitFor();
    await page.getByText("01TESTID").waitFor();
    await found(page);
  });

  story("cancel a slow search", async (page) => {
    await page.route("**/search", () => {});
    await choose(page, shop.photo.file);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("heading", { name: "The search was cancelled." }).waitFor();
    await page.unroute("**/search");
    await page.getByRole("button", { name: "Try again" }).click();
    await found(page);
  });

  story("the API's reader shows every path, and every problem has its page", async (page) => {
    await page.goto(`${shop.server.base}/docs`);
    await page.getByRole("heading", { name: /\/v1\/catalogues\/\{catalogue\}\/search/ }).first().waitFor();
    await accessible(page, "docs");
    await page.goto(`${shop.server.base}/problems/filter-syntax`);
    await page.getByRole("heading", { name: "The filter cannot be read" }).waitFor();
    await accessible(page, "problem");
  });

  test("an empty home says how to fill it", { timeout: PATIENCE }, async () => {
    const { mkdtempSync, rmSync } = await import("node:fs");
    const { tmpdir } = await import("node:os");
    const home = mkdtempSync(`${tmpdir()}/twinset-page-`);
    const empty = await startServer(["serve", "--home", home]);
    try {
      const { page, close } = await openPage(shop.browser, empty.base);
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

  test("words alone, and words with the photo, where the model reads them", { timeout: PATIENCE }, async () => {
    const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = await import("node:fs");
    const { tmpdir } = await import("node:os");
    const { fileURLToPath } = await import("node:url");
    const home = mkdtempSync(`${tmpdir()}/twinset-words-`);
    // A model of CLIP's form with random weights: what it finds means nothing, but it reads every word.
    const weights = (name) => fileURLToPath(new URL(`../../../crates/brought/testdata/${name}`, import.meta.url));
    const { items } = await fetch(`${shop.server.base}/v1/catalogues/${shop.photo.catalogue}/products?limit=8`).then((answer) => answer.json());
    for (const { id, images } of items) {
      const picture = await fetch(`${shop.server.base}/v1/catalogues/${shop.photo.catalogue}/products/${id}/images/${images[0].name}/content`);
      mkdirSync(`${home}/pictures/${id}`, { recursive: true });
      writeFileSync(`${home}/pictures/${id}/main.jpg`, Buffer.from(await picture.arrayBuffer()));
    }
    const at = ["--home", `${home}/home`];
    await twinset("import", `${home}/pictures`, "--catalogue", "main", ...at);
    await twinset("model", "import", weights("clip.onnx"), "--text", weights("clip_text.onnx"), "--tokenizer", weights("tokenizer.json"), "--name", "small-clip", "--licence", "none", ...at);
    await twinset("model", "use", "small-clip", "--catalogue", "main", "--force", ...at);
    const server = await startServer(["serve", ...at], items.length);
    try {
      for (const [name, options] of Object.entries({
        "360 light": { viewport: { width: 360, height: 740 } },
        "768 dark": { viewport: { width: 768, height: 1024 }, colorScheme: "dark" },
        "1440 light": { viewport: { width: 1440, height: 900 } },
      })) {
        const { page, close } = await openPage(shop.browser, server.base, { reducedMotion: "reduce", ...options });
        await page.goto(server.base);
        const field = page.getByRole("searchbox");
        await page.getByLabel("Or say it in words").fill("a red dress");
        await accessible(page, "start with words");
        await shoot(page, `words-start ${name}`.replaceAll(" ", "-"));
        await page.keyboard.press("Enter");
        await page.waitForURL(/words=a\+red\+dress/);
        await found(page);
        assert.equal(await tiles(page).count(), items.length);
        assert.equal(await page.locator(".badge").count(), 0, "nobody has seen the same article in words");
        assert.match(await page.getByRole("status").first().textContent(), /8 results for “a red dress”/);
        await page.waitForLoadState("networkidle");
        await accessible(page, "results of words");
        await shoot(page, `words-results ${name}`.replaceAll(" ", "-"));
        await page.locator(".tile-why").first().click();
        await page.getByRole("dialog", { name: "Why this?" }).getByText("Found by your words").waitFor();
        await accessible(page, "why of words");
        await shoot(page, `words-why ${name}`.replaceAll(" ", "-"));
        await page.keyboard.press("Escape");
        await page.reload();
        await found(page);
        assert.equal(await field.inputValue(), "a red dress");

        await choose(page, shop.photo.file);
        await page.locator(".stage img").waitFor();
        await found(page);
        assert.equal(await field.inputValue(), "", "another question begins without words");
        await page.getByLabel("Add words").fill("but in red");
        const [answer] = await Promise.all([page.waitForResponse(/\/search$/), page.keyboard.press("Enter")]);
        const { results } = await answer.json();
        assert.ok(results.every(({ evidence }) => typeof evidence.text === "number"), "the words were not sent");
        await page.waitForURL(/photo=.*words=but\+in\+red/);
        await answered(page);
        await accessible(page, "results of both");
        await shoot(page, `words-both ${name}`.replaceAll(" ", "-"));
        await page.goBack();
        await page.waitForURL((url) => !url.searchParams.has("words"));
        await answered(page);
        assert.equal(await field.inputValue(), "");
        await close();
      }
      // The shop's own model reads none: there is no field, and words in an address are left out.
      const { page, close } = await openPage(shop.browser, shop.server.base);
      await page.goto(`${shop.server.base}/?words=red`);
      await page.locator(".examples img").first().waitFor();
      assert.equal(await page.getByRole("searchbox").count(), 0);
      await close();
    } finally {
      await server.stop();
      rmSync(home, { recursive: true, force: true });
    }
  });

  story("drag a result onto the page: its likes are found", async (page) => {
    await start(page);
    const address = await tiles(page).first().locator("img").getAttribute("src");
    const data = await page.evaluateHandle((url) => {
      const carried = new DataTransfer();
      carried.setData("text/uri-list", url);
      return carried;
    }, new URL(address, shop.server.base).href);
    await page.dispatchEvent("body", "drop", { dataTransfer: data });
    await page.waitForURL(/product=/);
    await found(page);
  });

  story("paste a link: a search of this site opens, another site is not asked", async (page) => {
    await page.getByRole("button", { name: "Or paste a link" }).click();
    await page.getByRole("textbox", { name: "Link to a search" }).fill("https://elsewhere.example/dress.jpg");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("We do not fetch pictures from other sites").waitFor();
    await accessible(page, "link");
    await page.evaluate((link) => {
      const data = new DataTransfer();
      data.setData("text/plain", link);
      dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }, `${shop.server.base}/?product=${encodeURIComponent(shop.photo.product.id)}`);
    await page.waitForURL(/product=/);
    await found(page);
  });

  story("a finger moves a handle", async (page, context) => {
    await start(page);
    await page.getByRole("button", { name: "Whole photo" }).click();
    await found(page);
    const handle = await page.locator(".handle.se").boundingBox();
    const touch = (type, x, y) => ({ type, touchPoints: type === "touchEnd" ? [] : [{ x, y }] });
    const debug = await context.newCDPSession(page);
    const [x, y] = [handle.x + 22, handle.y + 22];
    await debug.send("Input.dispatchTouchEvent", touch("touchStart", x, y));
    for (let step = 1; step <= 5; step += 1) await debug.send("Input.dispatchTouchEvent", touch("touchMove", x - step * 12, y - step * 12));
    await debug.send("Input.dispatchTouchEvent", touch("touchEnd"));
    await page.waitForURL(/box=0,0,0\.\d+,0\.\d+/);
    await found(page);
  }, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

  story("everything is reached with the keyboard alone", async (page) => {
    await start(page);
    await page.evaluate(() => document.activeElement.blur());
    const seen = new Set();
    for (let press = 0; press < 60; press += 1) {
      await page.keyboard.press("Tab");
      seen.add(await page.evaluate(() => document.activeElement.className || document.activeElement.tagName));
    }
    for (const wanted of ["skip", "handle", "chip", "pill", "tile-why"]) assert.ok([...seen].some((one) => String(one).startsWith(wanted)), `${wanted} is not among ${[...seen]}`);
  });

  story("no camera: it says so and offers a file", async (page) => {
    await page.evaluate(() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotFoundError")); });
    await page.getByRole("button", { name: "Take a photo" }).click();
    const sheet = page.getByRole("dialog", { name: "Take a photo" });
    await sheet.getByText("No camera was found").waitFor();
    await accessible(page, "no camera");
    await sheet.getByRole("button", { name: "Choose a photo" }).waitFor();
  });

  story("offline: it waits, and goes on by itself", async (page, context) => {
    await context.setOffline(true);
    await choose(page, shop.photo.file);
    await page.getByRole("alert").getByText("You are offline").waitFor();
    await accessible(page, "offline");
    await context.setOffline(false);
    await found(page);
  });

  const refused = (page, status, code, headers = {}) =>
    page.route("**/search", (route) => route.fulfill({ status, contentType: "application/problem+json", headers: { "x-request-id": "01TESTID", ...headers }, body: JSON.stringify({ code, title: code, status }) }));

  for (const [status, code, words] of [
    [413, "picture_too_large", "This picture is too large"],
    [503, "model_not_loaded", "The vision model is not loaded yet"],
    [401, "unauthorized", "This search is not open to visitors"],
    [500, "internal", "That did not work"],
  ]) {
    story(`the server answers ${code}: in words, with the id`, async (page) => {
      await refused(page, status, code);
      await choose(page, shop.photo.file);
      await page.getByRole("alert").getByText(words).waitFor();
      await page.getByText("01TESTID").waitFor();
      await accessible(page, code);
    });
  }

  /** Lets the real server answer, and changes the answer on its way. */
  const altered = (page, change) => page.route("**/search", async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    change(answer);
    return route.fulfill({ response, json: answer });
  });

  story("only weak matches stay behind a button, with hints", async (page) => {
    await altered(page, (answer) => { for (const one of answer.results) one.tier = "weak"; });
    await choose(page, shop.photo.file);
    await page.getByRole("heading", { name: "Nothing similar enough" }).waitFor();
    assert.equal(await tiles(page).count(), 0);
    await accessible(page, "weak");
    await page.getByRole("button", { name: "Show the nearest anyway" }).click();
    await found(page);
  });

  story("the same picture from several sellers is one tile, the cheapest in front", async (page) => {
    await altered(page, (answer) => {
      const [first, ...rest] = answer.results;
      const copies = [["b", "Bee", "10.00", "in_stock"], ["c", "Sea", "5.00", "out_of_stock"]].map(([id, seller, amount, availability]) =>
        ({ ...first, product: { ...first.product, id: `${first.product.id}-${id}`, seller, availability, price: { amount, currency: "EUR" }, sale_price: null } }));
      answer.results = [{ ...first, product: { ...first.product, seller: "Ay" } }, ...copies, ...rest];
    });
    await choose(page, shop.photo.file);
    await found(page);
    const folded = tiles(page).filter({ hasText: "+2 sellers" });
    assert.equal(await folded.count(), 1);
    assert.match(await folded.locator(".seller").textContent(), /Bee/);
    await folded.locator(".tile-why").click();
    const sheet = page.getByRole("dialog", { name: "Why this?" });
    await sheet.getByText("The same picture, also sold as").waitFor();
    for (const other of ["Ay", "Sea"]) await sheet.locator(".others").getByText(other).waitFor();
    await shoot(page, "why-sellers-1280");
  });

  story("a claim that an audit doubts is marked where the seller makes it", async (page) => {
    await altered(page, ({ results: [first] }) => { first.product.color = ["red"]; first.doubts = [{ field: "color", seen: ["blue", "grey"] }]; });
    await start(page);
    await page.getByRole("button", { name: /^Why this/ }).first().click();
    await page.getByRole("dialog").locator(".doubt", { hasText: "looks like: Blue" }).waitFor();
    await accessible(page, "doubt");
  });

  story("thumbs where the operator wants to know; none where he does not", async (page) => {
    await altered(page, (answer) => { answer.feedback = false; });
    await start(page);
    assert.equal(await page.locator(".thumb").count(), 0);
    await page.unroute("**/search");
    const told = [];
    await altered(page, (answer) => { answer.id = "01SEARCH"; answer.feedback = true; });
    await page.route("**/feedback", (route) => { told.push(route.request().postDataJSON()); return route.fulfill({ status: 202, json: { accepted: 1 } }); });
    await page.getByRole("button", { name: "Whole photo" }).click();
    await found(page);
    await page.locator(".thumb.down").nth(1).click();
    await page.getByRole("status").getByText("Thank you, noted.").waitFor();
    assert.equal(told.length, 1);
    assert.deepEqual({ ...told[0].events[0], product: "", image: "" }, { kind: "different", search: "01SEARCH", product: "", image: "", rank: 2 });
    assert.equal(await page.locator('.thumb[aria-pressed="true"]').count(), 1);
    await accessible(page, "thumbs");
    await shoot(page, "thumbs-1280");
  });
}
