import { defineConfig, type Plugin, type UserConfig } from "vite";
import { widgetWords } from "./scripts/widget-words.mjs";

// The server's Content-Security-Policy allows neither inline scripts nor data: addresses, so nothing is inlined.
const common: UserConfig["build"] = { target: "es2022", assetsInlineLimit: 0, modulePreload: false, reportCompressedSize: false };

const fewerWords: Plugin = {
  name: "fewer-words",
  enforce: "pre",
  transform(code, id) {
    if (!/\/src\/lang\/\w+\.json$/.test(id)) return undefined;
    return { code: widgetWords(code), map: null };
  },
};

/** `vite build` makes the pages; `vite build --mode widget` adds `/widget.js`, which keeps its name, to them. */
export default defineConfig(({ mode }) => mode === "widget"
  ? {
      base: "./",
      publicDir: false,
      plugins: [fewerWords],
      build: {
        ...common,
        emptyOutDir: false,
        lib: { entry: "src/widget/loader.ts", formats: ["es"] },
        rollupOptions: { output: { entryFileNames: "widget.js", chunkFileNames: "assets/widget-[name]-[hash].js", minify: true } },
      },
    }
  : {
      build: { ...common, rollupOptions: { input: { index: "index.html", docs: "docs.html", admin: "admin.html", shop: "demo-shop.html" } } },
      // `npm run dev` shows the pages against a running `twinset demo --headless`.
      server: { proxy: Object.fromEntries(["/v1", "/openapi.json", "/problems", "/metrics", "/readyz", "/version"].map((path) => [path, "http://127.0.0.1:7878"])) },
    });
