/**
 * `/widget.js`: search by photo on a shop's own page.
 *
 * `<twinset-search>` is a camera button with a sheet, `<twinset-similar product="...">` a strip of similar articles, and
 * `data-twinset-lens` on a product picture adds a button to its corner. This file holds the buttons only; the rest is
 * fetched at first use. Everything lives in shadow roots with constructed style sheets, so that neither the shop's
 * styles nor its Content-Security-Policy get in the way. Where our server does not answer, the elements hide.
 */
import type { Sheet, Strip } from "./sheet";
import css from "./loader.css?inline";

const WORDS = {
  search: { en: "Search by photo", ko: "사진으로 찾기", zh: "以图搜索", ja: "写真でさがす" },
  lens: { en: "Find similar articles", ko: "비슷한 상품 찾기", zh: "查找相似商品", ja: "似た商品をさがす" },
};
const CAMERA = "M4 8h3l1.6-2.5h6.8L17 8h3v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z";
const LENS = "M4 9V6a2 2 0 0 1 2-2h3M15 4h3a2 2 0 0 1 2 2v3M20 15v3a2 2 0 0 1-2 2h-3M9 20H6a2 2 0 0 1-2-2v-3M12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z";

/** Where this file came from is where the API is. */
const BASE = new URL(/* @vite-ignore */ ".", import.meta.url).href.replace(/\/$/, "");

const styles = new CSSStyleSheet();
styles.replaceSync(css);
const fetched = () => import("./sheet");

export type Tongue = keyof typeof WORDS.search;

/** What the attributes of an element say. */
export interface Setting { base: string; key: string; catalogue: string | null; language: Tongue; dark: boolean }

/** Of a chain of tags the first that we speak: the element's own, the page's, the browser's. */
function language(element: Element): Tongue {
  const own = element.getAttribute("lang");
  const tags = [own === "auto" ? null : own, element.parentElement?.closest("[lang]")?.getAttribute("lang"), ...navigator.languages];
  return (tags.map((tag) => tag?.toLowerCase().split("-")[0]).find((head) => head && head in WORDS.search) ?? "en") as Tongue;
}

/** `auto` is dark only where the shop's page is dark too: one that knows no dark stays light at night. */
function dark(element: Element): boolean {
  const theme = element.getAttribute("theme");
  if (theme === "light" || theme === "dark") return theme === "dark";
  return getComputedStyle(document.documentElement).colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches;
}

const setting = (element: Element): Setting => ({
  base: BASE, key: element.getAttribute("key") ?? "", catalogue: element.getAttribute("catalogue"), language: language(element), dark: dark(element),
});

function root(element: HTMLElement): ShadowRoot {
  if (element.getAttribute("lang") === "auto") element.setAttribute("lang", language(element)); // no language is called auto
  const shadow = element.shadowRoot ?? element.attachShadow({ mode: "open", delegatesFocus: true });
  shadow.adoptedStyleSheets = [styles];
  return shadow;
}

/** Made element by element: pages that demand trusted types allow no HTML from text. */
function button(path: string, words: string, labelled: boolean): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.part.add("button");
  const sign = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  sign.part.add("icon");
  sign.setAttribute("viewBox", "0 0 24 24");
  sign.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  sign.append(line);
  made.append(sign);
  if (labelled) {
    const label = document.createElement("span");
    label.part.add("label");
    label.textContent = words;
    made.append(label);
  } else made.setAttribute("aria-label", words);
  return made;
}

function place(shadow: ShadowRoot): HTMLElement {
  const made = document.createElement("div");
  made.className = "place";
  shadow.append(made);
  return made;
}

class TwinsetSearch extends HTMLElement {
  #place: HTMLElement | undefined;
  #sheet: Sheet | undefined;

  connectedCallback(): void {
    if (this.#place) return;
    const shadow = root(this);
    const open = button(CAMERA, WORDS.search[language(this)], true);
    open.addEventListener("click", () => void this.open());
    shadow.append(open);
    this.#place = place(shadow);
  }

  disconnectedCallback(): void {
    this.close();
  }

  /** Opens the sheet; with a picture it is searched at once. */
  async open(photo?: Blob | { product: string }): Promise<void> {
    try {
      const { sheet } = await fetched();
      if (!this.isConnected || !this.#place) return;
      this.#sheet ??= sheet(this, this.#place);
      await this.#sheet.open(setting(this), photo);
    } catch {
      this.hidden = true; // the server is not there: the shop's page goes on without us
    }
  }

  close(): void {
    this.#sheet?.close();
  }
}

class TwinsetSimilar extends HTMLElement {
  static observedAttributes = ["product", "limit", "catalogue", "lang", "theme", "key"];
  #place: HTMLElement | undefined;
  #strip: Strip | undefined;
  #watch: IntersectionObserver | undefined;

  connectedCallback(): void {
    this.#place ??= place(root(this));
    // Nothing is fetched before it is nearly seen.
    this.#watch = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && void this.#show(), { rootMargin: "400px" });
    this.#watch.observe(this);
  }

  disconnectedCallback(): void {
    this.#watch?.disconnect();
  }

  attributeChangedCallback(): void {
    if (this.#strip) void this.#show();
  }

  async #show(): Promise<void> {
    this.#watch?.disconnect();
    try {
      const { strip } = await fetched();
      if (!this.#place) return;
      this.#strip ??= strip(this, this.#place);
      await this.#strip.show(setting(this), this.getAttribute("product") ?? "", Number(this.getAttribute("limit")) || 8);
    } catch {
      this.hidden = true;
    }
  }
}

/** The button in the corner of a picture. It lies beside the picture, in no one's flow, and moves with it. */
class TwinsetLens extends HTMLElement {
  picture: HTMLImageElement | undefined;
  #sized: ResizeObserver | undefined;

  connectedCallback(): void {
    const { picture } = this;
    if (!picture) return;
    const words = WORDS.lens[language(picture)];
    const open = button(LENS, picture.alt ? `${words}: ${picture.alt}` : words, false);
    open.classList.add("lens");
    open.title = words;
    root(this).replaceChildren(open);
    open.addEventListener("click", (event) => {
      event.preventDefault(); // the picture may stand in a link
      event.stopPropagation();
      void look(picture);
    });
    const follow = () => {
      this.style.setProperty("left", `${picture.offsetLeft + picture.offsetWidth - 52}px`);
      this.style.setProperty("top", `${picture.offsetTop + picture.offsetHeight - 52}px`);
    };
    this.#sized = new ResizeObserver(follow);
    this.#sized.observe(picture);
    if (picture.offsetParent) this.#sized.observe(picture.offsetParent);
  }

  disconnectedCallback(): void {
    this.#sized?.disconnect();
  }
}

/** `data-twinset-lens="product id"`, or empty: the pixels of the picture themselves. */
async function look(picture: HTMLImageElement): Promise<void> {
  let search = document.querySelector<TwinsetSearch>("twinset-search");
  if (!search) {
    search = document.createElement("twinset-search") as TwinsetSearch;
    search.className = "twinset-lens-only";
    search.style.setProperty("position", "absolute");
    document.body.append(search);
  }
  const id = picture.dataset.twinsetLens;
  if (id) return search.open({ product: id });
  const pixels = await fetch(picture.currentSrc || picture.src).then((answer) => (answer.ok ? answer.blob() : undefined), () => undefined);
  return search.open(pixels);
}

function lenses(): void {
  for (const lens of document.querySelectorAll<TwinsetLens>("twinset-lens")) if (lens.previousElementSibling !== lens.picture) lens.remove();
  for (const picture of document.querySelectorAll<HTMLImageElement>("img[data-twinset-lens]")) {
    if (picture.nextElementSibling instanceof TwinsetLens) continue;
    const lens = document.createElement("twinset-lens") as TwinsetLens;
    lens.picture = picture;
    picture.after(lens);
  }
}

for (const [name, element] of [["twinset-search", TwinsetSearch], ["twinset-similar", TwinsetSimilar], ["twinset-lens", TwinsetLens]] as const) {
  if (!customElements.get(name)) customElements.define(name, element);
}
lenses();
new MutationObserver(lenses).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["data-twinset-lens"] });
