// Fails when what the first page loads (its script, style and the largest language) passes 60 KB compressed.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const assets = new URL("../dist/assets/", import.meta.url);
const size = (name) => gzipSync(readFileSync(new URL(name, assets)), { level: 9 }).length;
const sizes = readdirSync(assets).map((name) => [name, size(name)]);
const languages = sizes.filter(([name]) => /^(ko|zh|ja)-/.test(name));
const page = sizes.filter(([name]) => !/^(ko|zh|ja|docs)-/.test(name));
const total = page.reduce((sum, [, bytes]) => sum + bytes, 0) + Math.max(0, ...languages.map(([, bytes]) => bytes));
for (const [name, bytes] of sizes) console.log(`${String(bytes).padStart(7)}  ${name}`);
console.log(`${String(total).padStart(7)}  first page, compressed (limit 61440)`);
if (total > 61440) process.exit(1);
