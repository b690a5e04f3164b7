/** Data quality: where claims and pictures disagree. A person decides; claims themselves are never rewritten. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { picturePath, type Product } from "../api";
import { Img } from "../img";
import { percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, at, send, useAsked } from "./ask";
import { Confirm, csv, Panel, saveAs, Shown, When } from "./bits";
import { Bars } from "./chart";
import { plural, t, word } from "./words";

interface Witness { product: string; image: string; claimed?: string[]; likeness: number }
interface Finding {
  id: string; product: string; kind: string; probability?: number | null; claimed?: string[]; seen?: [string, number][]; detail?: string | null; image?: string | null; witnesses?: Witness[];
  decision?: { accepted?: boolean; note?: string | null; at?: string } | string | null;
}
interface FindingList { items: Finding[]; next?: string | null; kinds?: Record<string, number>; total?: number }

const decided = ({ decision }: Finding): "accepted" | "dismissed" | null =>
  !decision ? null : (typeof decision === "string" ? decision === "accepted" : decision.accepted) ? "accepted" : "dismissed";

const claimed = (one: Finding): string => one.claimed?.join(", ") || "–";
const seen = (one: Finding): string => one.seen?.map(([name, share]) => `${name} ${percent(share)}`).join(", ") || "–";

export function Quality({ catalogue, say, go }: PageProps) {
  const [kind, setKind] = useState("");
  const [shown, setShown] = useState<"open" | "decided">("open");
  const findings = useAsked<FindingList>(`${at(catalogue)}/findings?limit=500`);
  const [ticked, setTicked] = useState<Set<string>>(new Set());
  const [asking, setAsking] = useState<"accepted" | "dismissed" | null>(null);

  const items = findings.value?.items ?? [];
  const kinds = useMemo(() => {
    const counts = new Map<string, number>();
    for (const one of items) if (!decided(one)) counts.set(one.kind, (counts.get(one.kind) ?? 0) + 1);
    return [...counts].sort(([, a], [, b]) => b - a);
  }, [items]);
  const rows = items.filter((one) => (!kind || one.kind === kind) && (shown === "open") === (decided(one) === null));
  const chosen = rows.filter(({ id }) => ticked.has(id));
  useEffect(() => setTicked(new Set()), [kind, shown]);

  const decide = async (which: Finding[], decision: "accepted" | "dismissed" | null) => {
    for (const { id } of which) await send("PATCH", `${at(catalogue)}/findings/${encodeURIComponent(id)}`, { decision });
    setTicked(new Set());
    findings.reload();
  };
  const one = (finding: Finding, decision: "accepted" | "dismissed") =>
    void decide([finding], decision).then(
      () => say({ text: t(`finding.${decision}`), undo: () => decide([finding], null) }),
      (reason) => say({ text: asProblem(reason).detail }),
    );
  const save = () => saveAs(`findings-${catalogue}.csv`, "text/csv", csv([
    ["id", "product", "kind", "probability", "claimed", "seen", "decision"],
    ...rows.map((row) => [row.id, row.product, row.kind, row.probability ?? "", claimed(row), seen(row), decided(row) ?? ""]),
  ]));

  return (
    <>
      <Panel title={t("quality.kinds")} note={t("quality.note")}>
        <Shown of={findings} what={t("page.quality")}>
          {() => (kinds.length === 0
            ? <p class="fine">{t("quality.none")}</p>
            : <Bars title={t("quality.open")} name={t("kind")} y={(value) => String(Math.round(value))} bars={kinds.map(([name, value]) => ({ name: word(`finding.${name}`, name), value }))} />)}
        </Shown>
      </Panel>
      {items.length > 0 && (
        <Panel title={t("quality.findings")} actions={<>
          <label class="field line"><span>{t("kind")}</span>
            <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}><option value="">{t("all")}</option>{kinds.map(([name]) => <option key={name} value={name}>{word(`finding.${name}`, name)}</option>)}</select>
          </label>
          <label class="field line"><span>{t("state")}</span>
            <select value={shown} onChange={(event) => setShown(event.currentTarget.value as "open" | "decided")}><option value="open">{t("finding.open")}</option><option value="decided">{t("finding.decided")}</option></select>
          </label>
          <button class="button small" onClick={save}>{t("csv")}</button>
        </>}>
          {shown === "open" && rows.length > 0 && (
            <div class="bulk">
              <label class="choice"><input type="checkbox" checked={chosen.length === rows.length} onChange={(event) => setTicked(event.currentTarget.checked ? new Set(rows.map(({ id }) => id)) : new Set())} /><span>{plural("found.findings", rows.length)}</span></label>
              {chosen.length > 0 && <><button class="button small" onClick={() => setAsking("accepted")}>{plural("accept", chosen.length)}</button><button class="button small" onClick={() => setAsking("dismissed")}>{plural("dismiss", chosen.length)}</button></>}
            </div>
          )}
          {rows.length === 0 && <p class="quiet">{t("quality.none.here")}</p>}
          <ul class="findings">
            {rows.slice(0, 100).map((row) => (
              <li key={row.id}>
                {shown === "open" && <input type="checkbox" aria-label={row.id} checked={ticked.has(row.id)} onChange={() => setTicked((before) => { const next = new Set(before); if (!next.delete(row.id)) next.add(row.id); return next; })} />}
                <div class="pair-pictures">
                  <Shot catalogue={catalogue} id={row.product} image={row.image} go={go} />
                  {row.witnesses?.slice(0, 2).map((one) => <Shot key={one.product} catalogue={catalogue} id={one.product} image={one.image} go={go} />)}
                </div>
                <div class="finding">
                  <p><strong>{word(`finding.${row.kind}`, row.kind)}</strong>{row.probability != null && <span class="tag">{percent(row.probability)}</span>}</p>
                  {(row.claimed || row.seen) && <dl class="counts"><div><dt>{t("claimed")}</dt><dd>{claimed(row)}</dd></div><div><dt>{t("seen.instead")}</dt><dd>{seen(row)}</dd></div></dl>}
                  {row.detail && <p class="quiet">{row.detail}</p>}
                  {decided(row)
                    ? <p class="quiet">{t(`finding.${decided(row)!}`)} {typeof row.decision === "object" && row.decision?.at && <When at={row.decision.at} />} <button class="as-link under" onClick={() => void decide([row], null)}>{t("undo")}</button></p>
                    : <p class="acts"><button class="button small" onClick={() => one(row, "accepted")}>{t("finding.accept")}<span class="sr"> {row.product}</span></button><button class="button small" onClick={() => one(row, "dismissed")}>{t("finding.dismiss")}<span class="sr"> {row.product}</span></button></p>}
                </div>
              </li>
            ))}
          </ul>
          {rows.length > 100 && <p class="quiet">{t("quality.first", { n: 100 })}</p>}
        </Panel>
      )}
      {asking && (
        <Confirm
          title={plural(asking === "accepted" ? "accept" : "dismiss", chosen.length)} text={plural(asking === "accepted" ? "accept.text" : "dismiss.text", chosen.length)}
          act={plural(asking === "accepted" ? "accept" : "dismiss", chosen.length)} onClose={() => setAsking(null)}
          onAct={() => decide(chosen, asking).then(() => say({ text: plural("decided", chosen.length), undo: () => decide(chosen, null) }))}
        />
      )}
    </>
  );
}

/** One picture of a product; without an image's name the first one. */
function Shot({ catalogue, id, image: named, go }: { catalogue: string; id: string; image: string | null | undefined; go: (path: string) => void }) {
  const product = useAsked<Product>(named ? null : `${at(catalogue)}/products/${encodeURIComponent(id)}`);
  const image = named ?? product.value?.images?.find(({ picture }) => picture)?.name;
  const path = `/admin/catalogue/${encodeURIComponent(id)}?catalogue=${encodeURIComponent(catalogue)}`;
  return (
    <a href={path} onClick={(event) => { event.preventDefault(); go(path); }}>
      {image ? <Img class="shot" path={picturePath(catalogue, id, image, 240)} alt="" lazy /> : <span class="shot" />}
      <span class="clip">{id}</span>
    </a>
  );
}
