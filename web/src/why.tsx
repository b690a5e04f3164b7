/** "Why this?": both pictures, the parts that match with the same number on each side, and a plain sentence. */
import { useState } from "preact/hooks";
import { pictureAddress, type Box, type Part, type Result } from "./api";
import { WHOLE } from "./address";
import { percent, plural, t, word } from "./i18n";
import { Outside, Twins } from "./icons";
import type { Photo } from "./photo";
import { place } from "./query";
import { Badge, Price, soldOut } from "./results";
import { Sheet } from "./sheet";

interface SideProps {
  label: string;
  url: string;
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

function Side({ label, url, ratio, onRatio, focus, parts, side, lit, onLit }: SideProps) {
  const view = windowOn(focus, parts.map((part) => part[side]));
  const shape = ((ratio ?? 1) * view.w) / view.h;
  return (
    <figure class="side">
      <figcaption>{label}</figcaption>
      <div class="side-fit">
        <div class="side-picture" style={{ aspectRatio: String(shape), "--ratio": String(shape) }}>
          <div class="side-view">
            <img
              src={url} alt={label} style={{ width: `${100 / view.w}%`, height: `${100 / view.h}%`, left: `${(-100 * view.x) / view.w}%`, top: `${(-100 * view.y) / view.h}%` }}
              onLoad={(event) => onRatio?.(event.currentTarget.naturalWidth / event.currentTarget.naturalHeight)}
            />
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

const CLAIMS = ["color", "material", "pattern", "size", "gender"] as const;

interface Props { catalogue: string; photo: Photo; box: Box | undefined; result: Result; onClose: () => void; onSimilar: (product: string) => void }

export function Why({ catalogue, photo, box, result, onClose, onSimilar }: Props) {
  const { product, evidence } = result;
  const [lit, setLit] = useState<number | null>(null);
  const [ratio, setRatio] = useState<number>();
  const parts = evidence.matched_parts;
  const same = result.tier === "identical";
  const sentence = parts.length > 0
    ? plural(same ? "sheet.match.identical" : "sheet.match", parts.length)
    : t(same ? "sheet.match.identical.none" : "sheet.match.none");
  const claims: [string, string][] = [
    [t("claim.id"), product.id],
    ...CLAIMS.flatMap((name): [string, string][] => {
      const values = product[name];
      return values?.length ? [[t(`claim.${name}`), values.map((value) => (name === "color" ? word("color", value) : value)).join(", ")]] : [];
    }),
    ...(product.seller ? [[t("claim.seller"), product.seller] as [string, string]] : []),
  ];
  return (
    <Sheet title={t("why")} kind="why" onClose={onClose}>
      <div class="sides">
        <Side label={t("sheet.query")} url={photo.url} ratio={photo.width / photo.height} focus={box ?? WHOLE} parts={parts} side="query" lit={lit} onLit={setLit} />
        <Side
          label={t("sheet.result")} url={pictureAddress(catalogue, product.id, result.image, 800)} ratio={ratio} onRatio={setRatio}
          focus={result.box ?? WHOLE} parts={parts} side="result" lit={lit} onLit={setLit}
        />
      </div>
      <p class="sentence"><Badge tier={result.tier} /> {sentence}</p>
      {parts.length > 0 && (
        <ol class="parts" aria-label={t("sheet.parts")}>
          {parts.map((part, at) => (
            <li key={at}>
              <button
                aria-pressed={lit === at} onClick={() => setLit(lit === at ? null : at)} onFocus={() => setLit(at)} onBlur={() => setLit(null)}
                onPointerEnter={() => setLit(at)} onPointerLeave={() => setLit(null)}
                aria-label={t("sheet.part", { n: at + 1, percent: percent(part.score) })}
              >
                <b>{at + 1}</b>{percent(part.score)}
              </button>
            </li>
          ))}
        </ol>
      )}
      <div class="why-below">
        <dl class="meters">
          <Meter name={t("sheet.overall")} value={evidence.global} />
          {evidence.local !== null && <Meter name={t("sheet.local")} value={evidence.local} />}
          <Meter name={t("sheet.score")} value={result.score} strong />
        </dl>
        <div class="why-product">
          {product.brand && <p class="brand">{product.brand}</p>}
          <h3>{product.title || product.id}</h3>
          <p class="tile-price"><Price product={product} />{soldOut(product) && <span class="variants">{t("sold.out")}</span>}</p>
          <div class="claims">
            <h4>{t("sheet.claims")}</h4>
            <dl>{claims.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
          </div>
        </div>
      </div>
      <footer>
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
