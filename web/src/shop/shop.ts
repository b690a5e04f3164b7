/**
 * A shop that does not exist: shows both elements of `/widget.js` on a page with a style of its own, and how a page
 * keeps its own navigation by `twinset:select`. Products come from the API of this server, as a shop's own server would
 * bring its own.
 */
import { catalogues, picturePath, Problem, product as fetchProduct, call, type Product } from "../api";
import { lexicon, money, preferred } from "../speech";
import english from "./lang/en.json";
import "./shop.css";

const { t, speak } = lexicon(english, { ko: () => import("./lang/ko.json"), zh: () => import("./lang/zh.json"), ja: () => import("./lang/ja.json") });
const SHOWN = 24;

type Child = Node | string;
function make<K extends keyof HTMLElementTagNameMap>(tag: K, set?: Record<string, string>, ...children: Child[]): HTMLElementTagNameMap[K];
function make(tag: string, set?: Record<string, string>, ...children: Child[]): HTMLElement;
function make(tag: string, set: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const given = new URLSearchParams(location.search);
const here = (id?: string): string => {
  const out = new URLSearchParams();
  if (given.has("catalogue")) out.set("catalogue", given.get("catalogue")!);
  if (id !== undefined) out.set("product", id);
  return `/demo-shop${out.size ? `?${out}` : ""}`;
};

function price(product: Product): HTMLElement {
  const now = product.sale_price ?? product.price;
  return make("p", { class: "price" }, now ? money(now.amount, now.currency) : "");
}

function picture(catalogue: string, product: Product, width: number): HTMLImageElement {
  const name = product.images?.[0]?.name ?? "main";
  return make("img", { src: picturePath(catalogue, product.id, name, width), alt: product.title ?? product.id, "data-twinset-lens": product.id, width: "4", height: "5" });
}

function card(catalogue: string, product: Product): HTMLElement {
  return make("li", {},
    make("div", { class: "frame" }, make("a", { href: here(product.id), tabindex: "-1", "aria-hidden": "true" }), picture(catalogue, product, 480)),
    make("p", { class: "brand" }, product.brand ?? ""),
    make("h3", {}, make("a", { href: here(product.id) }, product.title ?? product.id)),
    price(product));
}

async function front(catalogue: string): Promise<Node[]> {
  const { items } = (await (await call(`/v1/catalogues/${encodeURIComponent(catalogue)}/products?limit=${SHOWN}`)).json()) as { items: Product[] };
  return [
    make("div", { class: "hero" }, make("h1", {}, t("hero")), make("p", {}, t("hero.how"))),
    make("section", { "aria-labelledby": "new" }, make("h2", { id: "new" }, t("new")), make("ul", { class: "products" }, ...items.map((product) => card(catalogue, product)))),
  ];
}

async function page(catalogue: string, id: string): Promise<Node[]> {
  const product = await fetchProduct(catalogue, id);
  const facts = ([["colour", product.color], ["pattern", product.pattern], ["material", product.material], ["size", product.size]] as const)
    .filter(([, values]) => values?.length)
    .map(([name, values]) => make("div", {}, make("dt", {}, t(name)), make("dd", {}, values!.join(", "))));
  const similar = make("twinset-similar", { product: id, catalogue, limit: "8" });
  return [
    make("p", { class: "crumbs" }, make("a", { href: here() }, t("back"))),
    make("article", { class: "product" },
      make("div", { class: "frame large" }, picture(catalogue, product, 1024)),
      make("div", { class: "facts" },
        make("p", { class: "brand" }, product.brand ?? ""), make("h1", {}, product.title ?? id), price(product),
        make("p", {}, product.description ?? ""), make("dl", {}, ...facts), make("p", { class: "note" }, t("not.sold")))),
    similar,
  ];
}

const code = (catalogue: string): string => `<script type="module" src="${location.origin}/widget.js"></script>
<twinset-search catalogue="${catalogue}" lang="auto" theme="auto"></twinset-search>
<twinset-similar product="…" limit="8"></twinset-similar>
<img src="…" data-twinset-lens="…">`;

async function show(): Promise<void> {
  const language = preferred();
  await speak(language);
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
  const shop = document.getElementById("shop")!;
  const search = make("twinset-search", { lang: "auto", theme: "auto" }, make("a", { href: "/" }, t("search")));
  const main = make("main", { id: "main" });
  shop.append(
    make("header", {}, make("p", { class: "notice" }, t("notice")), make("div", { class: "head" }, make("a", { class: "name", href: here() }, "Nordhus"), search)),
    main,
  );
  try {
    const items = await catalogues();
    const catalogue = given.get("catalogue") ?? (items.find(({ name }) => name === "main") ?? items[0])?.name;
    if (!catalogue) throw new Problem("catalogue_not_found", t("empty"));
    search.setAttribute("catalogue", catalogue);
    const id = given.get("product");
    main.append(...(id ? await page(catalogue, id) : await front(catalogue)));
    shop.append(make("footer", {}, make("h2", {}, t("code")), make("pre", { tabindex: "0" }, make("code", {}, code(catalogue)))));
  } catch (reason) {
    main.append(make("p", { class: "trouble", role: "alert" }, reason instanceof Problem && (reason.status === 401 || reason.status === 403) ? t("closed") : `${t("trouble")} ${(reason as Error).message}`));
  }
  // The shop has pages of its own: the widget says what was chosen, and the shop decides where to go.
  document.addEventListener("twinset:select", (event) => {
    event.preventDefault();
    location.assign(here((event as CustomEvent<{ id: string }>).detail.id));
  });
}

void show();
