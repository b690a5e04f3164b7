/** Result tiles: the strip of the same article, then the similar ones. */
import { createContext } from "preact";
import { useContext, useEffect, useMemo, useRef } from "preact/hooks";
import { picturePath, type Money, type Opinion, type Product, type Result } from "./api";
import { money, plural, t } from "./i18n";
import { Thumb } from "./icons";
import { Img } from "./img";

export const soldOut = (product: Product): boolean => product.availability === "out_of_stock";

/** What is asked for it now, if the seller says so. */
export const priceOf = (product: Product): Money | null => product.sale_price ?? product.price ?? null;

export const amountOf = (product: Product): number => {
  const price = priceOf(product);
  return price ? Number(price.amount) : Number.POSITIVE_INFINITY;
};

export function Price({ product }: { product: Product }) {
  const now = priceOf(product);
  if (!now) return null;
  const reduced = product.sale_price && product.price && Number(product.sale_price.amount) < Number(product.price.amount);
  const text = money(now.amount, now.currency);
  if (!reduced || !product.price) return <span class="price">{text}</span>;
  const before = money(product.price.amount, product.price.currency);
  return (
    <span class="price reduced">
      <ins><span class="sr">{t("price.now", { price: text })}</span><span aria-hidden="true">{text}</span></ins>
      <del><span class="sr">{t("price.was", { price: before })}</span><span aria-hidden="true">{before}</span></del>
    </span>
  );
}

export function Badge({ tier }: { tier: string }) {
  if (tier === "identical") return <span class="badge identical">{t("badge.identical")}</span>;
  if (tier === "very_similar") return <span class="badge">{t("badge.very_similar")}</span>;
  return null;
}

/** One tile: the best offer of a picture, and the other products that show the very same picture. */
export interface Folded extends Result { others: Result[] }

/** Products of several sellers often show the same picture: one tile, the cheapest that can be bought in front. */
export function fold(results: Result[]): Folded[] {
  const shown = (result: Result) => result.product.images?.find(({ name }) => name === result.image)?.picture ?? result.product.id;
  const byPicture = new Map<string, Result[]>();
  for (const result of results) byPicture.set(shown(result), [...(byPicture.get(shown(result)) ?? []), result]);
  return [...byPicture.values()].map((same) => {
    const [first, ...others] = [...same].sort(byOffer);
    return { ...first!, others };
  });
}

const byOffer = (a: Result, b: Result): number =>
  Number(soldOut(a.product)) - Number(soldOut(b.product)) || (amountOf(a.product) === amountOf(b.product) ? 0 : amountOf(a.product) - amountOf(b.product));

/** "+3 variants", "+5 sellers" or nothing. */
export function alsoAs({ product, others, variants, copies = [] }: Folded): string {
  const more = variants - 1 + copies.length + others.reduce((sum, other) => sum + other.variants, 0);
  if (more < 1) return "";
  const sellers = new Set(others.map((other) => other.product.seller).filter((seller) => seller && seller !== product.seller));
  return sellers.size > 0 && sellers.size === more ? plural("sellers", more) : plural("variants", more);
}

/** What a tile can do; what is left out is not offered. */
export interface Actions {
  catalogue: string;
  onWhy?: (result: Folded) => void;
  /** Follows the link to the shop unless it answers false. */
  onSelect?: (result: Result) => boolean;
  /** For products without a page of their own. */
  onSimilar?: (product: string) => void;
  /** Where the operator wants to know. */
  opinion?: { of: (product: string) => Opinion | undefined; tell: (result: Result, opinion: Opinion) => void };
  /** Of the catalogue's texts, where it has just one. */
  texts?: string | undefined;
  /** Pages of the shop open beside this one. */
  beside: boolean;
}
export const TileActions = createContext<Actions>({ catalogue: "main", beside: true });

export function Thumbs({ result }: { result: Result }) {
  const { opinion } = useContext(TileActions);
  if (!opinion) return null;
  const given = opinion.of(result.product.id);
  const title = result.product.title || result.product.id;
  return (
    <span class="thumbs" role="group" aria-label={t("feedback")}>
      {(["up", "down"] as const).map((way) => (
        <button key={way} class={`thumb ${way}`} aria-pressed={given === way} aria-label={t(`feedback.${way}`, { title })} title={t(`feedback.${way}.short`)} onClick={() => opinion.tell(result, way)}><Thumb /></button>
      ))}
    </span>
  );
}

export function Tile({ result, eager }: { result: Folded; eager: boolean }) {
  const { catalogue, onWhy, onSelect, onSimilar, texts, beside } = useContext(TileActions);
  const { product } = result;
  const gone = soldOut(product);
  const title = product.title || product.id;
  const at = (width: number) => picturePath(catalogue, product.id, result.image, width);
  const also = alsoAs(result);
  const follow = (event: Event) => { if (onSelect && !onSelect(result)) event.preventDefault(); };
  return (
    <li class={gone ? "tile is-gone" : "tile"} part="tile">
      <div class="tile-picture" part="tile-picture">
        <Img path={at(320)} large={at(640)} widths={[320, 640]} sizes="(min-width: 1000px) 16rem, 45vw" lazy={!eager} alt="" />
        <Badge tier={result.tier} />
        {gone && <span class="stamp">{t("sold.out")}</span>}
        {product.availability === "preorder" && <span class="stamp">{t("preorder")}</span>}
        <Thumbs result={result} />
        {onWhy && <button class="tile-why" aria-label={t("why.of", { title })} onClick={() => onWhy(result)}><span>{t("why")}</span></button>}
      </div>
      <div class="tile-words">
        {product.brand && <p class="brand">{product.brand}</p>}
        <h3 lang={texts}>
          {product.link
            ? <a href={product.link} onClick={follow} {...(beside ? { target: "_blank", rel: "noopener noreferrer" } : {})}>{title}</a>
            : <button class="as-link" onClick={() => { if (onSelect?.(result) ?? true) onSimilar?.(product.id); }}>{title}</button>}
        </h3>
        <p class="tile-price"><Price product={product} />{also && <span class="variants">{also}</span>}</p>
        {product.seller && <p class="seller">{product.seller}</p>}
      </div>
    </li>
  );
}

export function Skeletons({ count }: { count: number }) {
  return (
    <ul class="grid" aria-hidden="true">
      {Array.from({ length: count }, (_, at) => (
        <li class="tile skeleton" key={at}><div class="tile-picture" /><div class="bone" /><div class="bone short" /></li>
      ))}
    </ul>
  );
}

/** `heading`: of what is not the same article. */
interface Props { results: Result[]; heading: string; sorted: boolean; more: (() => void) | undefined }

export function Results({ results, heading, sorted, more }: Props) {
  const folded = useMemo(() => fold(results), [results]);
  // Sorted by price there is one list; by likeness the same article stands first, the buyable and cheapest of it before the rest.
  const same = sorted ? [] : folded.filter((one) => one.tier === "identical").sort(byOffer);
  const rest = sorted ? folded : folded.filter((one) => one.tier !== "identical");
  const list = (some: Folded[], eager: number) => some.map((result, at) => <Tile key={result.product.id} result={result} eager={at < eager} />);
  return (
    <>
      {same.length > 0 && (
        <section class={same.length > 2 ? "strip" : "strip few"} aria-labelledby="same">
          <header><h2 id="same">{t("this.article")}</h2>{same.length > 1 && <p>{t("this.article.note")}</p>}</header>
          <ul class="grid">{list(same, 4)}</ul>
        </section>
      )}
      {rest.length > 0 && (
        <section aria-labelledby="similar">
          <header><h2 id="similar">{heading}</h2></header>
          <ul class="grid">{list(rest, 6)}</ul>
        </section>
      )}
      {more && <More more={more} />}
    </>
  );
}

/** Loads the next rows when scrolled into view; the button is for those who do not scroll. */
function More({ more }: { more: () => void }) {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const watch = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && more(), { rootMargin: "600px" });
    if (end.current) watch.observe(end.current);
    return () => watch.disconnect();
  }, [more]);
  return <div class="more" ref={end}><button class="button" onClick={more}>{t("more")}</button></div>;
}
