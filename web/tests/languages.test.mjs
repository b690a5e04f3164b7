// Each language says everything that English says, with every plural form it has and every value that is filled in.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { widgetWords } from "../scripts/widget-words.mjs";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const FORMS = /\.(zero|one|two|few|many|other)$/;
const sources = (...folders) => folders.flatMap((folder) => readdirSync(new URL(folder, import.meta.url)).filter((name) => /\.tsx?$/.test(name)).map((name) => read(folder + name))).join("\n");

const LEXICONS = {
  // Keys that are put together from parts cannot be found as they stand.
  "the search page and the widget": { folder: "../src/lang/", source: sources("../src/", "../src/widget/"), built: /^(state|kind|color|claim|filter|crop|camera|feedback|sheet\.match)\./ },
  "the operator pages": { folder: "../src/admin/lang/", source: sources("../src/admin/"), built: /^(page|job|kind|right|role|stock|unit|count|change|keys\.kind|judge|finding|status|run|stage|card|metric)\./ },
  "the demo shop": { folder: "../src/shop/lang/", source: sources("../src/shop/"), built: /^$/ },
};

for (const [where, { folder, source, built }] of Object.entries(LEXICONS)) {
  const languages = Object.fromEntries(["en", "ko", "zh", "ja"].map((tag) => [tag, JSON.parse(read(`${folder}${tag}.json`))]));
  const bases = new Set(Object.keys(languages.en).filter((key) => FORMS.test(key) && `${key.replace(FORMS, "")}.other` in languages.en).map((key) => key.replace(FORMS, "")));

  for (const [tag, words] of Object.entries(languages)) {
    test(`${where}: ${tag} is complete`, () => {
      const wanted = Object.keys(languages.en).filter((key) => !bases.has(key.replace(FORMS, "")));
      const forms = new Intl.PluralRules(tag).resolvedOptions().pluralCategories;
      for (const base of bases) for (const form of forms) wanted.push(`${base}.${form}`);
      assert.deepEqual(Object.keys(words).sort(), wanted.sort());
    });

    test(`${where}: ${tag} fills in what English fills in`, () => {
      const values = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
      for (const [key, text] of Object.entries(words)) {
        assert.ok(text.trim(), `${key} is empty`);
        const english = languages.en[key] ?? languages.en[key.replace(FORMS, ".other")];
        assert.deepEqual(values(text), values(english), key);
      }
    });
  }

  test(`${where}: every word is in the language files, and every one there is used`, () => {
    for (const [, key] of source.matchAll(/\bt\("([\w.]+)"/g)) assert.ok(key in languages.en, `t("${key}") has no words`);
    for (const [, key] of source.matchAll(/\bplural\("([\w.]+)"/g)) assert.ok(`${key}.other` in languages.en, `plural("${key}") has no words`);
    for (const key of Object.keys(languages.en)) {
      const plain = bases.has(key.replace(FORMS, "")) ? key.replace(FORMS, "") : key;
      assert.ok(built.test(plain) || source.includes(`"${plain}"`), `${key} is not used`);
    }
  });
}

test("the widget takes along every word that it uses", () => {
  const kept = JSON.parse(widgetWords(read("../src/lang/en.json")));
  const source = ["../src/widget/sheet.tsx", "../src/query.tsx", "../src/states.tsx", "../src/sheet.tsx"].map(read).join("\n");
  for (const [, key] of source.matchAll(/\bt\("([\w.]+)"/g)) assert.ok(key in kept, `${key} is left out`);
});

test("the shapes of the API are those of crates/server/openapi.json", async () => {
  const { execFileSync } = await import("node:child_process");
  const { fileURLToPath } = await import("node:url");
  execFileSync(process.execPath, [fileURLToPath(new URL("../scripts/types.mjs", import.meta.url)), "--check"], { stdio: "pipe" });
});
