/** Result tiles: the strip of the same article, then the similar ones. */
import { useEffect, useRef } from "preact/hooks";
import { pictureAddress, type Money, type Product, type Result } from "./api";
import { money, plural, t } from "./i18n";

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

interface TileProps { catalogue: string; result: Result; onWhy: (result: Result) => void; onSimilar: (product: string) => void; eager: boolean }

function Tile({ catalogue, result, onWhy, onSimilar, eager }: TileProps) {
  const { product } = result;
  const gone = soldOut(product);
  const title = product.title || product.id;
  const at = (width: number) => pictureAddress(catalogue, product.id, result.image, width);
  const picture = (
    <img src={at(320)} srcset={`${at(320)} 320w, ${at(640)} 640w`} sizes="(min-width: 1000px) 16rem, 45vw" loading={eager ? "eager" : "lazy"} decoding="async" alt="" />
  );
  return (
    <li class={gone ? "tile is-gone" : "tile"}>
      <div class="tile-picture">
        {picture}
        <Badge tier={result.tier} />
        {gone && <span class="stamp">{t("sold.out")}</span>}
        {product.availability === "preorder" && <span class="stamp">{t("preorder")}</span>}
        <button class="tile-why" aria-label={t("why.of", { title })} onClick={() => onWhy(result)}><span>{t("why")}</span></button>
      </div>
      <div class="tile-words">
        {product.brand && <p class="brand">{product.brand}</p>}
        <h3>
          {product.link ? <a href={product.link} rel="noopener noreferrer" target="_blank">{title}</a> : <button class="as-link" onClick={() => onSimilar(product.id)}>{title}</button>}
        </h3>
        <p class="tile-price"><Price product={product} />{result.variants > 1 && <span class="variants">{plural("variants", result.variants - 1)}</span>}</p>
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

interface Props {
  catalogue: string;
  results: Result[];
  sorted: boolean;
  more: (() => void) | undefined;
  onWhy: (result: Result) => void;
  onSimilar: (product: string) => void;
}

export function Results({ catalogue, results, sorted, more, onWhy, onSimilar }: Props) {
  // Sorted by price there is one list; by likeness the same article stands first, the buyable and cheapest of it before the rest.
  const same = sorted ? [] : results.filter((one) => one.tier === "identical")
    .sort((a, b) => Number(soldOut(a.product)) - Number(soldOut(b.product)) || amountOf(a.product) - amountOf(b.product));
  const rest = sorted ? results : results.filter((one) => one.tier !== "identical");
  const list = (some: Result[], eager: number) => some.map((result, at) => (
    <Tile key={result.product.id} catalogue={catalogue} result={result} onWhy={onWhy} onSimilar={onSimilar} eager={at < eager} />
  ));
  return (
    <>
      {same.length > 0 && (
        <section class="strip" aria-labelledby="same">
          <header><h2 id="same">{t("this.article")}</h2>{same.length > 1 && <p>{t("this.article.note")}</p>}</header>
          <ul class="grid">{list(same, 4)}</ul>
        </section>
      )}
      {rest.length > 0 && (
        <section aria-labelledby="similar">
          <header><h2 id="similar">{sorted ? t("results") : t("similar")}</h2></header>
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
