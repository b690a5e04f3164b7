/** Data quality: where claims and pictures disagree. A person decides; claims themselves are never rewritten. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { call, picturePath, type Product } from "../api";
import { Img } from "../img";
import type { AuditList, AuditShape, Finding, FindingList, TallyShape } from "../schema";
import { number, percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, at, get, isOffered, send, useAsked } from "./ask";
import { Confirm, csv, DataTable, Panel, saveAs, Shown, When } from "./bits";
import { Bars, Lines } from "./chart";
import { isOver, JobLine, type Job } from "./jobs";
import { clock, plural, t, word } from "./words";

type Decided = "accepted" | "dismissed";
const decided = ({ decision }: Finding): Decided | undefined => (decision ? (decision.accepted ? "accepted" : "dismissed") : undefined);
const claimed = (one: Finding): string => one.claimed.join(", ") || "–";
const seen = (one: Finding): string => one.seen.map(([value, probability]) => `${value} ${percent(probability)}`).join(", ") || "–";

/** All of them, part by part. */
async function everything(path: string): Promise<FindingList> {
  const items: Finding[] = [];
  for (let after = ""; items.length < MOST; ) {
    const page = await get<FindingList>(`${path}${after}`);
    items.push(...page.items);
    if (!page.next) break;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
  return { items };
}
const MOST = 5000;

export function Quality({ catalogue, say, go }: PageProps) {
  const [kind, setKind] = useState("");
  const [shown, setShown] = useState<"open" | "decided">("open");
  const findings = useAsked<FindingList>(`${at(catalogue)}/findings?limit=500`, 0, everything);
  const audit = useAsked<Job | undefined>(`${at(catalogue)}/audit`, 3000, async (path) => { const answer = await call(path); return answer.status === 204 ? undefined : ((await answer.json()) as Job); });
  const audits = useAsked<AuditList>(`${at(catalogue)}/audits?limit=500`);
  const finished = audit.value?.state === "succeeded" ? audit.value.id : undefined;
  useEffect(() => { if (finished) { findings.reload(); audits.reload(); } }, [finished]);
  const begin = () => void send("POST", `${at(catalogue)}/audit`).then(audit.reload, (reason) => say({ text: asProblem(reason).detail }));
  const [ticked, setTicked] = useState<Set<string>>(new Set());
  const [asking, setAsking] = useState<Decided | null>(null);

  const items = findings.value?.items ?? [];
  const kinds = useMemo(() => {
    const counts = new Map<string, number>();
    for (const one of items) if (!one.decision) counts.set(one.kind, (counts.get(one.kind) ?? 0) + 1);
    return [...counts].sort(([, a], [, b]) => b - a);
  }, [items]);
  const rows = items.filter((one) => (!kind || one.kind === kind) && (shown === "open") === !one.decision);
  const chosen = rows.filter(({ id }) => ticked.has(id));
  useEffect(() => setTicked(new Set()), [kind, shown]);

  const decide = async (which: Finding[], decision: Decided | null) => {
    for (const { id } of which) await send("PATCH", `${at(catalogue)}/findings/${encodeURIComponent(id)}`, { decision });
    setTicked(new Set());
    findings.reload();
  };
  const one = (finding: Finding, decision: Decided) =>
    void decide([finding], decision).then(
      () => say({ text: t(`finding.${decision}`), undo: () => decide([finding], null) }),
      (reason) => say({ text: asProblem(reason).detail }),
    );
  const save = () => saveAs(`findings-${catalogue}.csv`, "text/csv", csv([
    ["id", "product", "kind", "probability", "claimed", "seen", "decision"],
    ...rows.map((row) => [row.id, row.product, row.kind, row.probability, claimed(row), seen(row), decided(row) ?? ""]),
  ]));

  return (
    <>
      <Panel title={t("quality.kinds")} note={t("quality.note")} actions={isOffered(findings) && <button class="button small" disabled={audit.value && !isOver(audit.value)} onClick={begin}>{t("audit.now")}</button>}>
        {audit.value && <JobLine job={audit.value} what={t("audit")} />}
        <Shown of={findings} what={t("page.quality")}>
          {() => (kinds.length === 0
            ? <p class="fine">{t("quality.none")}</p>
            : <Bars title={t("quality.open")} name={t("kind")} y={(value) => String(Math.round(value))} bars={kinds.map(([name, value]) => ({ name: word(`finding.${name}`, name), value }))} />)}
        </Shown>
      </Panel>
      <Panel title={t("trend")} note={t("trend.note")}>
        <Shown of={audits} what={t("trend")}>{({ items: made }) => <Trend audits={made} />}</Shown>
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
                  {row.witnesses.slice(0, 2).map((one) => <Shot key={one.product} catalogue={catalogue} id={one.product} image={one.image} go={go} />)}
                </div>
                <div class="finding">
                  <p><strong>{word(`finding.${row.kind}`, row.kind)}</strong><span class="tag">{percent(row.probability)}</span></p>
                  {(row.claimed.length > 0 || row.seen.length > 0) && <dl class="counts"><div><dt>{t("claimed")}</dt><dd>{claimed(row)}</dd></div><div><dt>{t("seen.instead")}</dt><dd>{seen(row)}</dd></div></dl>}
                  {row.detail && <p class="quiet">{row.detail}</p>}
                  {row.decision
                    ? <p class="quiet">{t(`finding.${decided(row)!}`)} {row.decision.note && `“${row.decision.note}” `}<button class="as-link under" onClick={() => void decide([row], null)}>{t("undo")}</button></p>
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

const total = ({ kinds }: AuditShape, of: keyof TallyShape): number => Object.values(kinds).reduce((sum, tally) => sum + tally[of], 0);
/** Drawn by kind; the table has them all. */
const KINDS_DRAWN = 3;

/** How much the audits found, the latest first, as lines and as a table. */
function Trend({ audits }: { audits: AuditShape[] }) {
  if (audits.length === 0) return <p class="quiet">{t("trend.none")}</p>;
  const latest = audits[0]!.kinds;
  const kinds = [...new Set(audits.flatMap((audit) => Object.keys(audit.kinds)))].sort((a, b) => (latest[b]?.found ?? 0) - (latest[a]?.found ?? 0));
  const points = (value: (audit: AuditShape) => number): [number, number][] => audits.map((audit): [number, number] => [Date.parse(audit.at), value(audit)]).reverse();
  const axes = { xName: t("time"), x: clock, y: (value: number) => number(Math.round(value)) };
  return (
    <>
      <div class="two">
        <Lines title={t("trend")} {...axes} series={(["found", "open"] as const).map((of) => ({ name: t(`trend.${of}`), points: points((audit) => total(audit, of)) }))} />
        {kinds.length > 0 && <Lines title={t("trend.kinds")} {...axes} series={kinds.slice(0, KINDS_DRAWN).map((kind) => ({ name: word(`finding.${kind}`, kind), points: points((audit) => audit.kinds[kind]?.found ?? 0) }))} />}
      </div>
      <DataTable caption={t("trend.table")} rows={audits} id={({ at }) => at} empty={t("trend.none")} columns={[
        { name: "at", head: t("time"), sort: ({ at }) => at, cell: ({ at }) => <When at={at} /> },
        { name: "products", head: t("products"), right: true, sort: ({ products }) => products, cell: ({ products }) => number(products) },
        { name: "found", head: t("trend.found"), right: true, sort: (audit) => total(audit, "found"), cell: (audit) => number(total(audit, "found")) },
        { name: "open", head: t("trend.open"), right: true, sort: (audit) => total(audit, "open"), cell: (audit) => number(total(audit, "open")) },
        ...kinds.map((kind) => ({ name: `kind ${kind}`, head: word(`finding.${kind}`, kind), right: true, sort: (audit: AuditShape) => audit.kinds[kind]?.found ?? 0, cell: (audit: AuditShape) => number(audit.kinds[kind]?.found ?? 0) })),
      ]} />
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
