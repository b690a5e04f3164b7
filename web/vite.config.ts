import { defineConfig } from "vite";

// Two pages: the search page and the reader of /openapi.json. Nothing is inlined, because the server's
// Content-Security-Policy allows neither inline scripts nor data: addresses.
export default defineConfig({
  build: {
    target: "es2021",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { input: { index: "index.html", docs: "docs.html" } },
  },
  // `npm run dev` shows the page against a running `twinset demo --headless`.
  server: {
    proxy: Object.fromEntries(["/v1", "/openapi.json", "/problems"].map((path) => [path, "http://127.0.0.1:8080"])),
  },
});
