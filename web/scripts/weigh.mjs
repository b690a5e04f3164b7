// Fails when a first load passes its weight, compressed: the search page 60 KB, the widget 25 KB, each with its script,
// style and largest language. Every page's own files are found by following what they name.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url);
const read = (path) => readFileSync(new URL(path, dist), "utf8");
const size = (path) => gzipSync(read(path), { level: 9 }).length;
const assets = readdirSync(new URL("assets/", dist));
const isLanguage = (name) => /(?:^|-)(?:ko|zh|ja)-[\w-]+\.js$/.test(name);

/** `first` and all files under assets/ that it or they name; of the languages the largest. */
function load(first) {
  const seen = new Set([first]);
  for (const path of seen) for (const [name] of read(path).matchAll(/[\w-]+\.(?:js|css)/g)) if (assets.includes(name)) seen.add(`assets/${name}`);
  const languages = [...seen].filter(isLanguage).map(size);
  return [...seen].filter((path) => !isLanguage(path)).reduce((sum, path) => sum + size(path), 0) + Math.max(0, ...languages);
}

let heavy = false;
for (const [name, first, limit] of [["search page", "index.html", 61440], ["widget", "widget.js", 25600], ["operator pages", "admin.html", 102400]]) {
  const bytes = load(first);
  console.log(`${String(bytes).padStart(7)}  ${name}, compressed (limit ${limit})`);
  heavy ||= bytes > limit;
}
process.exitCode = heavy ? 1 : 0;
