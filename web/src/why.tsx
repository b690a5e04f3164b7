/** "Why this?": both pictures, the parts that match with the same number on each side, and a plain sentence. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { picturePath, type Box, type Part } from "./api";
import { WHOLE } from "./address";
import { percent, plural, t, word } from "./i18n";
import { Outside, Twins } from "./icons";
import { Img } from "./img";
import type { Photo } from "./photo";
import { place } from "./query";
import { Badge, Price, soldOut, Thumbs, type Folded } from "./results";
import { Sheet } from "./sheet";

interface SideProps {
  label: string;
  /** The picture, given its style and what to do once its shape is known. */
  picture: (style: Record<string, string>, onLoad: (event: Event & { currentTarget: HTMLImageElement }) => void) => ComponentChildren;
  /** Width by height of the whole picture; unknown until it has loaded. */
  ratio: number | undefined;
  onRatio?: (ratio: number) => void;
  /** The article in the picture: shown large, with a margin. */
  focus: Box;
  parts: Part[];
  side: "query" | "result";
  lit: number | null;
  onLit: (at: number | null) => void;
}

/** The window onto the picture: the article and every matched part, with some of what is around them. */
function windowOn(focus: Box, parts: Box[]): Box {
  const all = [focus, ...parts];
  const margin = 0.12 * Math.max(focus.w, focus.h);
  const x = Math.max(0, Math.min(...all.map((box) => box.x)) - margin);
  const y = Math.max(0, Math.min(...all.map((box) => box.y)) - margin);
  return {
    x, y,
    w: Math.min(1, Math.max(...all.map((box) => box.x + box.w)) + margin) - x,
    h: Math.min(1, Math.max(...all.map((box) => box.y + box.h)) + margin) - y,
  };
}

const inside = (view: Box, box: Box): Box => ({ x: (box.x - view.x) / view.w, y: (box.y - view.y) / view.h, w: box.w / view.w, h: box.h / view.h });

function Side({ label, picture, ratio, onRatio, focus, parts, side, lit, onLit }: SideProps) {
  const view = windowOn(focus, parts.map((part) => part[side]));
  const shape = ((ratio ?? 1) * view.w) / view.h;
  return (
    <figure class="side">
      <figcaption>{label}</figcaption>
      <div class="side-fit">
        <div class="side-picture" style={{ aspectRatio: String(shape), "--ratio": String(shape) }}>
          <div class="side-view">
            {picture(
              { width: `${100 / view.w}%`, height: `${100 / view.h}%`, left: `${(-100 * view.x) / view.w}%`, top: `${(-100 * view.y) / view.h}%` },
              (event) => onRatio?.(event.currentTarget.naturalWidth / event.currentTarget.naturalHeight),
            )}
          </div>
          {ratio !== undefined && parts.map((part, at) => (
            <span
              key={at} class="part" data-lit={lit === at} data-shade={lit !== null && lit !== at} style={place(inside(view, part[side]))}
              onPointerEnter={() => onLit(at)} onPointerLeave={() => onLit(null)} aria-hidden="true"
            >
              <b>{at + 1}</b>
            </span>
          ))}
        </div>
      </div>
    </figure>
  );
}

/** Below this the details were compared and differ, though some places look alike. */
const DETAILS_AGREE = 0.5;

const CLAIMS = ["color", "material", "pattern", "size", "gender"] as const;

interface Props { catalogue: string; photo: Photo | null; words: string | undefined; box: Box | undefined; result: Folded; onClose: () => void; onSimilar: (product: string) => void }

export function Why({ catalogue, photo, words, box, result, onClose, onSimilar }: Props) {
  const { product, evidence } = result;
  const [lit, setLit] = useState<number | null>(null);
  const [ratio, setRatio] = useState<number>();
  const parts = evidence.matched_parts;
  const same = result.tier === "identical";
  const apart = !same && (evidence.local ?? 1) < DETAILS_AGREE;
  const sentence = !photo
    ? t("sheet.match.words")
    : parts.length > 0 && apart
    ? plural("sheet.match.few", parts.length)
    : parts.length > 0
    ? plural(same ? "sheet.match.identical" : "sheet.match", parts.length)
    : t(same ? "sheet.match.identical.none" : "sheet.match.none");
  const seen = (field: string): string | undefined => {
    const doubt = result.doubts?.find((one) => one.field === field);
    return doubt && (doubt.seen[0] ? t("claim.doubt", { seen: word(field === "color" ? "color" : "kind", doubt.seen[0]) }) : t("claim.doubt.plain"));
  };
  const claims: [string, string, string?][] = [
    [t("claim.id"), product.id],
    ...(product.product_type?.[0] ? [[t("filter.category"), product.product_type[0].map((name) => word("kind", name)).join(" / "), seen("product_type") ?? seen("category")] as [string, string, string?]] : []),
    ...CLAIMS.flatMap((name): [string, string, string?][] => {
      const values = product[name];
      return values?.length ? [[t(`claim.${name}`), values.map((value) => (name === "color" ? word("color", value) : value)).join(", "), seen(name)]] : [];
    }),
    ...(product.seller ? [[t("claim.seller"), product.seller] as [string, string]] : []),
  ];
  return (
    <Sheet title={t("why")} kind="why" onClose={onClose}>
      <div class="sides">
        {!photo && <figure class="side"><figcaption>{t("sheet.words")}</figcaption><blockquote class="said">{words}</blockquote></figure>}
        {photo && <Side label={t("sheet.query")} picture={(style) => <img src={photo.url} alt={t("sheet.query")} style={style} />} ratio={photo.width / photo.height} focus={box ?? WHOLE} parts={parts} side="query" lit={lit} onLit={setLit} />}
        <Side
          label={t("sheet.result")} picture={(style, onLoad) => <Img path={picturePath(catalogue, product.id, result.image, 800)} alt={t("sheet.result")} style={style} onLoad={onLoad} />} ratio={ratio} onRatio={setRatio}
          focus={result.box} parts={parts} side="result" lit={lit} onLit={setLit}
        />
      </div>
      <p class="sentence"><Badge tier={result.tier} /> {sentence}</p>
      {photo && words && <p class="sentence quiet">{t("sheet.beside", { words })}</p>}
      {parts.length > 0 && (
        <ol class="parts" aria-label={t("sheet.parts")}>
          {parts.map((part, at) => (
            <li key={at}>
              <button
                aria-pressed={lit === at} onClick={() => setLit(lit === at ? null : at)} onFocus={() => setLit(at)} onBlur={() => setLit(null)}
                onPointerEnter={() => setLit(at)} onPointerLeave={() => setLit(null)}
              >
                <b aria-hidden="true">{at + 1}</b><span aria-hidden="true">{percent(part.score)}</span><span class="sr">{t("sheet.part", { n: at + 1, percent: percent(part.score) })}</span>
              </button>
            </li>
          ))}
        </ol>
      )}
      <div class="why-below">
        <dl class="meters">
          {photo && <Meter name={t("sheet.overall")} value={evidence.global} />}
          {evidence.local != null && <Meter name={t("sheet.local")} value={evidence.local} />}
          {evidence.text != null && <Meter name={t("sheet.text")} value={evidence.text} />}
          {photo && <Meter name={t("sheet.score")} value={result.score} strong />}
        </dl>
        <div class="why-product">
          {product.brand && <p class="brand">{product.brand}</p>}
          <h3>{product.title || product.id}</h3>
          <p class="tile-price"><Price product={product} />{soldOut(product) && <span class="variants">{t("sold.out")}</span>}</p>
          <div class="claims">
            <h4>{t("sheet.claims")}</h4>
            <dl>{claims.map(([name, value, doubt]) => <div key={name}><dt>{name}</dt><dd>{value}{doubt && <span class="doubt">{doubt}</span>}</dd></div>)}</dl>
          </div>
          {result.others.length + (result.copies?.length ?? 0) > 0 && (
            <div class="claims">
              <h4>{t("sheet.others")}</h4>
              <ul class="others">
                {result.others.map(({ product: other }) => (
                  <li key={other.id}>
                    {other.link ? <a href={other.link} target="_blank" rel="noopener noreferrer">{other.seller ?? other.title ?? other.id}</a> : <span>{other.seller ?? other.title ?? other.id}</span>}
                    <Price product={other} />
                    {soldOut(other) && <span class="variants">{t("sold.out")}</span>}
                  </li>
                ))}
                {result.copies?.map((id) => <li key={id}><button class="as-link under" onClick={() => onSimilar(id)}>{id}</button></li>)}
              </ul>
            </div>
          )}
        </div>
      </div>
      <footer>
        <Thumbs result={result} />
        <button class="button primary" onClick={() => onSimilar(product.id)}><Twins />{t("sheet.similar")}</button>
        {product.link && <a class="button" href={product.link} target="_blank" rel="noopener noreferrer"><Outside />{t("sheet.shop")}</a>}
      </footer>
    </Sheet>
  );
}

function Meter({ name, value, strong = false }: { name: string; value: number; strong?: boolean }) {
  const share = Math.min(1, Math.max(0, value));
  return (
    <div class={strong ? "meter strong" : "meter"}>
      <dt>{name}</dt>
      <dd><span class="bar" aria-hidden="true"><i style={{ width: `${share * 100}%` }} /></span>{percent(share)}</dd>
    </div>
  );
}
