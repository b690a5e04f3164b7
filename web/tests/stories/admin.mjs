// The operator pages, against the real server. Where a story needs what no test can wait for (a training to its end, a
// feed of another site), the answers of the API are given here in the form that the server's description promises.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PATIENCE, accessible, openPage, shoot } from "../house.mjs";

const PAGES = ["", "catalogue", "feeds", "index", "training", "evaluation", "quality", "jobs", "keys"];

export function adminStories(shop) {
  const story = (name, path, run, options) =>
    test(name, { timeout: PATIENCE }, async () => {
      const { page, context, close } = await openPage(shop.browser, shop.server.base, { viewport: { width: 1440, height: 900 }, ...options });
      const given = async (pattern, answer, status = 200) => page.route(pattern, (route) => route.fulfill({ status, json: typeof answer === "function" ? answer(route.request()) : answer }));
      await run({ page, context, given, open: (at = path) => page.goto(`${shop.server.base}/admin${at ? `/${at}` : ""}`) });
      await close();
    });
  const settled = (page) => page.locator(".pending").first().waitFor({ state: "detached" });

  for (const [name, options] of Object.entries({
    "1440 light": {}, "1440 dark": { colorScheme: "dark" }, "768 light": { viewport: { width: 768, height: 1024 } }, "360 dark": { viewport: { width: 360, height: 740 }, colorScheme: "dark" },
  })) {
    story(`every page at ${name}: axe finds nothing, nothing sticks out, what is absent is said`, "", async ({ page, open }) => {
      for (const path of PAGES) {
        await open(path);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await settled(page);
        await accessible(page, path || "overview");
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${path || "overview"} sticks out`);
        await shoot(page, `admin-${path || "overview"}-${name.replace(" ", "-")}`);
      }
    }, { reducedMotion: "reduce", ...options });
  }

  for (const [locale, title] of Object.entries({ "ko-KR": "개요", "zh-CN": "概览", "ja-JP": "概要" })) {
    story(`speaks ${locale}`, "", async ({ page, open }) => {
      await open();
      await page.getByRole("heading", { level: 1, name: title }).waitFor();
      await settled(page);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "nothing sticks out");
    }, { locale, viewport: { width: 360, height: 740 } });
  }

  story("overview: searches are counted and timed; the chart has its numbers as a table", "", async ({ page, open }) => {
    await open();
    await page.locator(".fine, .warnings").first().waitFor(); // a busy machine may have refused a search before
    for (let n = 0; n < 3; n += 1) await fetch(`${shop.server.base}/v1/catalogues/${shop.photo.catalogue}/search`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ image: { product: shop.photo.product.id } }) });
    const table = page.getByRole("table", { name: "Stages of a search" });
    await table.getByRole("row", { name: /embed/ }).waitFor();
    const times = page.locator(".stat", { hasText: "p95" }).locator("strong");
    await page.waitForFunction(() => /\d/.test([...document.querySelectorAll(".stat")].find((one) => one.textContent.startsWith("p95"))?.textContent.slice(3) ?? ""));
    assert.match(await times.textContent(), /\d/);
    await page.locator("figure.chart summary").first().click();
    await page.locator("figure.chart table").first().waitFor();
    await page.getByRole("row", { name: new RegExp(shop.photo.catalogue) }).getByText("up to date").waitFor();
  });

  story("catalogue: by word, by id, by photo", "catalogue", async ({ page, open }) => {
    await open();
    const box = page.getByRole("searchbox");
    const word = shop.photo.product.title.split(" ")[0];
    await box.fill(word);
    await page.getByRole("button", { name: "Find" }).click();
    await page.waitForFunction((text) => { const rows = [...document.querySelectorAll("tbody tr")]; return rows.length > 0 && rows.every((row) => row.textContent.includes(text)); }, word);
    await page.getByTestId("admin-photo").setInputFiles(shop.photo.file);
    await page.getByRole("columnheader", { name: "Alike" }).waitFor();
    assert.ok((await page.locator("tbody tr").allTextContents()).some((row) => row.includes(shop.photo.product.id)));
    await page.getByRole("button", { name: "Name" }).click();
    const names = await page.locator("tbody tr td:nth-child(3)").allTextContents();
    assert.deepEqual(names, [...names].sort((a, b) => a.localeCompare(b, undefined, { numeric: true })));
    await box.fill(shop.photo.product.id);
    await page.getByRole("button", { name: "Find" }).click();
    await page.waitForURL((url) => url.pathname.endsWith(encodeURIComponent(shop.photo.product.id)));
    await page.getByRole("button", { name: /What is seen/ }).first().click();
    await page.getByText(/articles? seen/).first().waitFor();
    await accessible(page, "product");
    await shoot(page, "admin-product-1440");
  });

  story("delete a product: it is named and counted first, and Undo brings it back with its pictures", "catalogue", async ({ page }) => {
    const { product, catalogue } = shop.photo;
    const path = `${shop.server.base}/v1/catalogues/${catalogue}/products/${encodeURIComponent(product.id)}`;
    await page.goto(`${shop.server.base}/admin/catalogue/${encodeURIComponent(product.id)}`);
    await page.getByRole("button", { name: "Delete" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(`${product.images.length} pictures`).waitFor();
    await accessible(page, "delete");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByText(`${product.id} is deleted.`).waitFor();
    assert.equal((await fetch(path)).status, 404);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.waitForURL((url) => url.pathname.endsWith(encodeURIComponent(product.id)));
    const back = await (await fetch(path)).json();
    assert.equal(back.title, product.title);
    assert.deepEqual(back.images.map(({ name, picture }) => [name, Boolean(picture)]), product.images.map(({ name }) => [name, true]));
  });

  story("data quality: an audit of this server leaves its numbers", "quality", async ({ page, open }) => {
    await open();
    await page.getByRole("button", { name: "Audit now" }).click();
    await page.getByRole("table", { name: "Audits" }).getByRole("row", { name: /40/ }).first().waitFor();
    await page.locator("figure.chart", { hasText: "Findings over time" }).waitFor();
    // What it found is told in the server's own form.
    const { items } = await (await fetch(`${shop.server.base}/v1/catalogues/${shop.photo.catalogue}/findings?limit=500`)).json();
    const told = items.find(({ seen }) => seen.length > 0);
    if (told) await page.getByText(new RegExp(`${told.seen[0][0]} \\d+%`)).first().waitFor();
    await accessible(page, "audited");
    await shoot(page, "admin-quality-trend-1440");
  });

  story("hide a product, find it among the hidden ones, bring it back, and have it looked at again", "catalogue", async ({ page, open }) => {
    const { catalogue } = shop.photo;
    const { items } = await (await fetch(`${shop.server.base}/v1/catalogues/${catalogue}/products?limit=40`)).json();
    const product = items.filter(({ images }) => images?.length)[7];
    const found = async () => {
      const search = await fetch(`${shop.server.base}/v1/catalogues/${catalogue}/search`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ image: { product: product.id }, limit: 100 }) });
      return (await search.json()).results.some((one) => one.product.id === product.id);
    };
    await page.goto(`${shop.server.base}/admin/catalogue/${encodeURIComponent(product.id)}`);
    await page.getByRole("button", { name: "Hide from searches" }).click();
    await page.getByText(`${product.id} is hidden from searches.`).waitFor();
    await page.getByText(/hidden since/).waitFor();
    await accessible(page, "hidden");
    assert.equal(await found(), false);
    await open();
    await page.getByLabel("Only hidden ones").check();
    await page.getByRole("link", { name: product.id }).click();
    await page.getByRole("button", { name: "Show in searches" }).click();
    await page.getByText(`${product.id} is found again.`).waitFor();
    await page.getByText(/· searchable ·/).waitFor();
    assert.equal(await found(), true);
    await page.getByRole("button", { name: "Look at its pictures again" }).click();
    await page.getByText(new RegExp(`${product.id} (was|is being) looked at again`)).waitFor();
    await page.getByText(/· searchable ·/).waitFor();
    await shoot(page, "admin-product-status-1440");
  });

  story("a server with keys asks for one, and keeps it in this tab only", "", async ({ page, open }) => {
    await page.route("**/v1/catalogues", (route) => (route.request().headers().authorization === "Bearer tw_right" ? route.continue() : route.fulfill({ status: 401, json: { code: "unauthorized", title: "a key is needed", status: 401 } })));
    await open();
    const key = page.getByLabel("Key", { exact: true });
    await key.waitFor();
    await accessible(page, "sign in");
    await shoot(page, "admin-sign-in-1440");
    await key.fill("tw_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("This key opens nothing here.").waitFor();
    await key.fill("tw_right");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    assert.equal(await page.evaluate(() => localStorage.getItem("twinset-admin-key")), null);
    await page.getByRole("button", { name: "Sign out" }).click();
    await key.waitFor();
  });

  story("keys: a new one is shown once; revoking names what it touches", "keys", async ({ page, open }) => {
    const keys = [{ id: "abc", name: "shop", rights: ["search"], catalogues: [], origins: ["https://shop.example"], rate: { requests: 600, window_s: 60 }, public: true, anonymous: false, created_at: "2026-01-02T03:04:05Z", revoked_at: null }];
    let asked;
    await page.route("**/v1/keys", (route) => {
      if (route.request().method() === "GET") return route.fulfill({ json: { items: keys, next: null } });
      asked = route.request().postDataJSON();
      return route.fulfill({ status: 201, json: { ...keys[0], id: "def", token: "tw_pub_def_secret" } });
    });
    await page.route("**/v1/keys/abc", (route) => { keys[0].revoked_at = "2026-01-03T00:00:00Z"; return route.fulfill({ status: 204 }); });
    await open();
    await page.getByRole("row", { name: /abc/ }).getByText("600 in 60 s").waitFor();
    await page.getByRole("button", { name: "New key" }).click();
    await page.getByLabel("Sites whose pages may use it").fill("https://shop.example");
    await accessible(page, "new key");
    await page.getByRole("button", { name: "Make the key" }).click();
    await page.getByText("tw_pub_def_secret").waitFor();
    await accessible(page, "made key");
    assert.deepEqual(asked, { name: "", rights: ["search"], catalogues: [], origins: ["https://shop.example"], public: true, anonymous: false });
    await page.getByRole("button", { name: "I have it" }).click();
    assert.equal(await page.getByText("tw_pub_def_secret").count(), 0);
    await page.getByRole("button", { name: /^Revoke/ }).click();
    await page.getByRole("dialog").getByText("“shop” (search)").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("row", { name: /abc/ }).getByText("Revoked").waitFor();
  });

  story("data quality: one finding, then all of a kind; a decision can be taken back", "quality", async ({ page, given, open }) => {
    const { product, catalogue } = shop.photo;
    const items = [1, 2, 3].map((n) => ({ id: `f${n}`, product: product.id, kind: n === 3 ? "category" : "colour", field: "color", probability: 0.9, claimed: ["red"], seen: [["blue", 0.8]], image: product.images[0].name, witnesses: [] }));
    const audits = [3, 2].map((n) => ({ at: `2026-01-0${n}T00:00:00.000Z`, products: 40, kinds: { colour: { found: n, open: 1 }, category: { found: 1, open: 1 } } }));
    const told = [];
    await given(`**/v1/catalogues/${catalogue}/findings?*`, () => ({ items }));
    await given(`**/v1/catalogues/${catalogue}/audits?*`, { items: audits, next: null });
    await page.route("**/findings/*", (route) => {
      const [id, { decision }] = [route.request().url().split("/").pop(), route.request().postDataJSON()];
      told.push([id, decision]);
      const one = items.find((one) => one.id === id);
      one.decision = decision ? { accepted: decision === "accepted" } : undefined;
      return route.fulfill({ status: 204 });
    });
    await open();
    await page.getByText("blue 80%").first().waitFor();
    await page.getByRole("table", { name: "Audits" }).getByRole("row", { name: /40 4 2/ }).waitFor();
    await page.locator("figure.chart", { hasText: "Findings over time" }).locator("summary").click();
    await page.getByRole("table", { name: "Findings over time" }).getByRole("row", { name: /4 2$/ }).waitFor();
    await accessible(page, "findings");
    await shoot(page, "admin-quality-findings-1440");
    await page.getByRole("button", { name: /The claim is right/ }).first().click();
    await page.getByText("Dismissed: the claim stands.").waitFor();
    await page.getByRole("button", { name: "Undo" }).click();
    await page.waitForFunction(() => document.querySelectorAll(".findings > li").length === 3);
    await page.getByRole("combobox", { name: "Kind" }).selectOption("colour");
    await page.getByRole("checkbox", { name: "2 findings" }).check();
    await page.getByRole("button", { name: "Accept 2" }).click();
    await page.getByRole("dialog").getByText("2 findings are marked as right").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Accept 2" }).click();
    await page.getByText("2 decided.").waitFor();
    assert.deepEqual(told, [["f1", "dismissed"], ["f1", null], ["f1", "accepted"], ["f2", "accepted"]]);
  });

  story("a feed runs: the steps move by events, its findings are grouped, too many removals are asked about", "feeds", async ({ page, given, open }) => {
    const job = { id: "j1", kind: "sync", catalogue: shop.photo.catalogue, source: "shop", state: "running", progress: { done: 120, total: 400, unit: "pictures", stage: "pictures", eta_ms: 9000 }, counts: { seen: 400, new: 7 }, created_at: new Date().toISOString() };
    const findings = { price: { count: 2, rows: [4, 9], example: { kind: "price", row: 4, id: "x", detail: "'free' is no price" } } };
    const done = { ...job, state: "needs_approval", counts: { seen: 400, new: 12, unchanged: 380 }, result: { findings, approval: { gone: 90, of: 200, reason: "too many" } } };
    const asked = [];
    let state = job;
    await given("**/sources", () => ({ items: [{ name: "shop", settings: { url: "https://shop.example/feed.xml", every_minutes: 60 }, runs: [{ run: 3, state: "succeeded", started_at: "2026-01-01T00:00:00Z", ended_at: "2026-01-01T00:01:30Z", report: { counts: { seen: 9, new: 2, changed: 1, gone: 0, failed: 0 }, findings } }] }] }));
    await given("**/v1/jobs?*", { items: [] });
    await page.route("**/sources/shop/runs", (route) => { asked.push(route.request().postDataJSON()); return route.fulfill({ status: 202, json: job }); });
    await given("**/v1/jobs/j1", () => state);
    await page.route("**/v1/jobs/j1/events", (route) => { state = done; return route.fulfill({ contentType: "text/event-stream", body: `event: progress\ndata: ${JSON.stringify({ ...job, counts: { seen: 400, new: 9 } })}\n\nevent: end\ndata: ${JSON.stringify(done)}\n\n` }); });
    await open();
    await page.getByText("every 1 hr").waitFor();
    await page.getByRole("button", { name: "Run shop", exact: true }).click();
    const run = page.getByRole("region", { name: "Run of shop" });
    await run.getByText("90 of 200 products would vanish.").waitFor();
    await run.getByText("Price cannot be read · 2").waitFor();
    await run.getByText("380").waitFor();
    await accessible(page, "run");
    await shoot(page, "admin-run-1440");
    await run.getByText("Price cannot be read").click();
    await run.getByText("'free' is no price").waitFor();
    await run.getByRole("button", { name: "Leave everything as it is" }).click();
    await page.waitForFunction(() => document.querySelectorAll(".steps").length > 0);
    assert.deepEqual(asked, [{}, { delete_missing: "no" }]);
  });

  story("a dry run tells what it would change, and changes nothing", "feeds", async ({ page, open }) => {
    const { product, catalogue } = shop.photo;
    const at = `${shop.server.base}/v1/catalogues/${catalogue}`;
    const json = { "content-type": "application/json" };
    await fetch(`${at}/sources/dry`, { method: "PUT", headers: json, body: "{}" });
    const before = await (await fetch(`${at}/products/${encodeURIComponent(product.id)}`)).json();
    const feed = `${JSON.stringify({ ...before, title: "Another title" })}\n{"id":"brand-new","title":"New"}\n`;
    const begun = await (await fetch(`${at}/sources/dry/runs?dry_run=true`, { method: "POST", headers: { "content-type": "application/x-ndjson" }, body: feed })).json();
    await page.route("**/v1/jobs?*", async (route) => {
      const answer = await (await route.fetch()).json();
      return route.fulfill({ json: { ...answer, items: answer.items.map((job) => (job.id === begun.id ? { ...job, state: "running" } : job)) } });
    });
    await open();
    await page.getByRole("button", { name: "Watch dry" }).click();
    const told = page.getByRole("table", { name: "What it would change" });
    await told.getByRole("row", { name: /brand-new new/ }).waitFor();
    await told.getByRole("row", { name: new RegExp(`${product.id} changed`) }).getByText("Another title").waitFor();
    await accessible(page, "dry run");
    await shoot(page, "admin-dry-run-1440");
    assert.equal((await (await fetch(`${at}/products/${encodeURIComponent(product.id)}`)).json()).title, before.title);
    await fetch(`${at}/sources/dry`, { method: "DELETE" });
  });

  story("jobs: the audit log tells what was changed", "jobs", async ({ page, open }) => {
    await fetch(`${shop.server.base}/v1/catalogues/${shop.photo.catalogue}`, { method: "PUT" });
    await open();
    const log = page.getByRole("region", { name: "Audit log" });
    await log.getByRole("cell", { name: `PUT /v1/catalogues/${shop.photo.catalogue}`, exact: true }).first().waitFor();
  });

  story("index health: checked and made anew by jobs of the server; a backup is listed", "index", async ({ page, open }) => {
    await open();
    const state = page.getByRole("region", { name: "Index", exact: true });
    const act = async (name) => {
      await state.getByRole("button", { name, exact: true }).click();
      await page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
      await page.getByRole("dialog").waitFor({ state: "detached" });
    };
    await act("Verify");
    await state.getByText("agree with the catalogue").waitFor();
    await accessible(page, "verified");
    await act("Rebuild");
    await state.locator('.job [data-state="succeeded"], .job details').first().waitFor();
    await page.getByRole("button", { name: "Back up now" }).click();
    await page.getByRole("row", { name: new RegExp(`snapshots/${shop.photo.catalogue}/`) }).waitFor();
    await accessible(page, "backed up");
    await shoot(page, "admin-index-1440");
  });

  story("measured now: figures with intervals, by kind, and the worst questions as pictures", "evaluation", async ({ page, open }) => {
    await open();
    await page.getByRole("button", { name: "Measure now" }).click();
    await page.locator("figure.chart").first().getByText("recall@10").waitFor();
    await page.locator("figure.chart summary").first().click();
    await page.getByRole("row", { name: /^recall@1 [\d.]+% [\d.]+% – [\d.]+%$/ }).waitFor();
    const { items: [made] } = await (await fetch(`${shop.server.base}/v1/evaluations?catalogue=${shop.photo.catalogue}`)).json();
    assert.ok(made.report.queries >= 40 && made.report.recall["1"][0] > 0.3, JSON.stringify(made.report.recall));
    await page.getByRole("row", { name: new RegExp(made.id) }).waitFor();
    if (made.report.worst.length) await page.locator(".worst img").first().waitFor();
    await accessible(page, "evaluation");
    await shoot(page, "admin-evaluation-charts-1440");
  });

  story("a training begun here: its curve, its facts, and stopping it", "training", async ({ page, open }) => {
    await open();
    await page.getByRole("button", { name: "Train on this catalogue" }).click();
    await page.getByRole("dialog").getByText("low priority").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Train on this catalogue" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const row = page.getByRole("row", { name: new RegExp(`${shop.photo.catalogue}-\\d+`) });
    await row.locator('[data-state="running"]').waitFor();
    await accessible(page, "training runs");
    await page.getByRole("button", { name: "Cancel the job" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the job" }).click();
    await row.locator('[data-state="stopped"]').waitFor();
    await row.getByRole("button", { name: /^Details/ }).click();
    await page.locator(".facts").getByText("threads").waitFor();
    await shoot(page, "admin-training-stopped-1440");
  });

  story("every change of a product, and every setting with its source", "keys", async ({ page, open }) => {
    await open();
    await page.getByRole("row", { name: /limits\.queue 64 default/ }).waitFor();
    await page.getByRole("row", { name: /listen .* command line/ }).waitFor();
    await open(`catalogue/${encodeURIComponent(shop.photo.product.id)}`);
    await page.getByRole("table", { name: "Every change" }).getByText("created or changed").first().waitFor();
    await accessible(page, "changes");
  });

  story("a model to promote, two runs beside each other", "training", async ({ page, given, open }) => {
    const history = (base) => Array.from({ length: 9 }, (_, step) => ({ step: step * 100, loss: base / (step + 1), learning_rate: 0.001, pictures_per_second: 20 }));
    await given("**/v1/models", {
      items: [{ hash: "aaaa1111bbbb2222", name: "garment", kind: "embedder", used_by: [shop.photo.catalogue], shipped: true }, { hash: "cccc", name: "garment-2", kind: "embedder", used_by: [], shipped: false, quality: { recall: 0.8 } }],
      promotions: { [shop.photo.catalogue]: { id: "m1", kind: "models", state: "succeeded", progress: { stage: "comparing", done: 9, total: 9, unit: "steps" }, result: { in_use: false, contest: { products: 40, questions: 80, old: { recall_1: 0.8, recall_10: 0.9, mrr: 0.85 }, new: { recall_1: 0.7, recall_10: 0.9, mrr: 0.8 }, mrr_gain: [-0.05, -0.09, -0.01] } } } },
    });
    await given("**/v1/runs", { items: [1, 2].map((n) => ({ id: `run-${n}`, state: "succeeded", step: 800, steps: 800, program: "twinset 0.1.0", data: "0123456789abcdef", machine: "Avx2, 2 threads", model: "cccc", gain: { before: 0.5, after: 0.6, queries: 20, won: 3, lost: 1 }, history: history(n) })) });
    let promoted;
    await page.route("**/v1/models/cccc:promote", (route) => { promoted = route.request().postDataJSON(); return route.fulfill({ status: 202, json: { id: "m2", kind: "models", state: "running", progress: { done: 0, total: 0, unit: "steps" } } }); });
    await open();
    await page.getByText("The new model does not find more").waitFor();
    await page.getByRole("row", { name: "recall@1 80% 70%" }).waitFor();
    await page.getByRole("row", { name: /run-2 .*50% → 60%/ }).waitFor();
    await page.locator("figure.chart").first().waitFor();
    await accessible(page, "training");
    await shoot(page, "admin-training-runs-1440");
    await page.getByRole("button", { name: /^Promote/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Promote" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.deepEqual(promoted, { catalogue: shop.photo.catalogue });
  });

  story("judge pairs with the keys 1 to 3", "evaluation", async ({ page, open }) => {
    const told = [];
    await page.route("**/feedback", (route) => { told.push(route.request().postDataJSON().events[0].kind); return route.fulfill({ status: 202, json: { accepted: 1 } }); });
    await open();
    await page.getByRole("button", { name: "Begin" }).click();
    for (const [n, key] of ["1", "3"].entries()) {
      await page.locator(".judged-picture").nth(1).waitFor();
      if (n === 0) { await accessible(page, "judge"); await shoot(page, "admin-judge-1440"); }
      await page.keyboard.press(key);
      await page.getByText(`${n + 1} judged`).waitFor();
    }
    assert.deepEqual(told, ["same", "different"]);
  });
}
