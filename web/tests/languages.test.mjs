// Each language says everything that English says, with every plural form it has and every value that is filled in.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const languages = Object.fromEntries(["en", "ko", "zh", "ja"].map((tag) => [tag, JSON.parse(read(`../src/lang/${tag}.json`))]));
const FORMS = /\.(zero|one|two|few|many|other)$/;
const bases = new Set(Object.keys(languages.en).filter((key) => FORMS.test(key) && `${key.replace(FORMS, "")}.other` in languages.en).map((key) => key.replace(FORMS, "")));

for (const [tag, words] of Object.entries(languages)) {
  test(`${tag} is complete`, () => {
    const wanted = Object.keys(languages.en).filter((key) => !bases.has(key.replace(FORMS, "")));
    const forms = new Intl.PluralRules(tag).resolvedOptions().pluralCategories;
    for (const base of bases) for (const form of forms) wanted.push(`${base}.${form}`);
    assert.deepEqual(Object.keys(words).sort(), wanted.sort());
  });

  test(`${tag} fills in what English fills in`, () => {
    const values = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
    for (const [key, text] of Object.entries(words)) {
      assert.ok(text.trim(), `${key} is empty`);
      const english = languages.en[key] ?? languages.en[key.replace(FORMS, ".other")];
      assert.deepEqual(values(text), values(english), key);
    }
  });
}

test("every word of the page is in the language files, and every one there is used", () => {
  const source = readdirSync(new URL("../src", import.meta.url)).filter((name) => /\.tsx?$/.test(name)).map((name) => read(`../src/${name}`)).join("\n");
  for (const [, key] of source.matchAll(/\bt\("([\w.]+)"/g)) assert.ok(key in languages.en, `t("${key}") has no words`);
  for (const [, key] of source.matchAll(/\bplural\("([\w.]+)"/g)) assert.ok(`${key}.other` in languages.en, `plural("${key}") has no words`);
  const built = /^(state|kind|color|claim|filter|crop|camera|sheet\.match)\./; // put together from parts
  for (const key of Object.keys(languages.en)) {
    const plain = bases.has(key.replace(FORMS, "")) ? key.replace(FORMS, "") : key;
    assert.ok(built.test(plain) || source.includes(`"${plain}"`), `${key} is not used`);
  }
});
