/** Training: runs with their curves, models with their cards, and the swap from one to another. */
import { useState } from "preact/hooks";
import { number, percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, isOffered, send, useAsked } from "./ask";
import { Confirm, DataTable, Panel, Shown, State, When } from "./bits";
import { Lines, type Series } from "./chart";
import { JobDetail, JobLine, type Job } from "./jobs";
import { t, word } from "./words";

interface Model { name: string; kind: string; hash: string; shipped: boolean; used_by: string[]; quality?: Record<string, unknown> | null }
interface Marks { recall_1: number; recall_10: number; mrr: number }
interface Contest { products: number; questions: number; old: Marks; new: Marks; mrr_gain: [number, number, number] }
interface Models { items: Model[]; promotions?: Record<string, Job> }

interface Point { step?: number; epoch?: number; loss?: number; recall?: number; [name: string]: number | undefined }
const curve = (job: Job): Point[] => ((job.result as { history?: Point[] } | null | undefined)?.history ?? (job as { history?: Point[] }).history ?? []);

export function Training({ catalogue, say }: PageProps) {
  const models = useAsked<Models>("/v1/models", 3000);
  const jobs = useAsked<{ items: Job[] }>("/v1/jobs?limit=200", 5000);
  const [asking, setAsking] = useState<Model | "rollback">();
  const [force, setForce] = useState(false);
  const [compared, setCompared] = useState<string[]>([]);
  const runs = (value: { items: Job[] }) => value.items.filter(({ kind }) => kind === "training" || kind === "train");
  const swap = (path: string, body: unknown) => send("POST", `/v1/models/${path}`, body).then(() => { say({ text: t("started") }); models.reload(); }, (reason) => { throw asProblem(reason); });
  const latest = models.value?.promotions?.[catalogue];
  const contest = (latest?.result as { contest?: Contest; in_use?: boolean } | undefined)?.contest;
  return (
    <>
      {latest && (
        <Panel title={t("swap")} note={latest.state === "succeeded" && contest ? t((latest.result as { in_use?: boolean }).in_use ? "swap.done" : "swap.worse") : undefined}>
          <JobLine job={latest} what={t("swap")} />
          {contest && <Contested contest={contest} />}
        </Panel>
      )}
      <Panel title={t("models")} note={t("models.note")} actions={isOffered(models) && <button class="button small" onClick={() => setAsking("rollback")}>{t("rollback")}</button>}>
        <Shown of={models} what={t("models")}>
          {({ items }) => (
            <DataTable
              caption={t("models")} rows={items} id={({ hash }) => hash} empty={t("models.none")}
              detail={({ quality }) => (quality ? <dl class="facts">{Object.entries(quality).map(([name, value]) => <div key={name}><dt><code>{name}</code></dt><dd>{typeof value === "object" ? JSON.stringify(value) : String(value)}</dd></div>)}</dl> : <p class="quiet">{t("models.untold")}</p>)}
              columns={[
                { name: "name", head: t("name"), sort: ({ name }) => name, cell: ({ name, shipped }) => <><strong>{name}</strong> {shipped && <span class="tag">{t("shipped")}</span>}</> },
                { name: "hash", head: t("hash"), cell: ({ hash }) => <code>{hash.slice(0, 12)}</code> },
                { name: "kind", head: t("kind"), sort: ({ kind }) => kind, cell: ({ kind }) => word(`card.${kind}`, kind) },
                { name: "used", head: t("used.by"), cell: ({ used_by }) => used_by.join(", ") || "–" },
                { name: "state", head: t("state"), cell: (model) => (model.used_by.includes(catalogue) ? <span class="tag">{t("in.use")}</span> : <button class="button small" onClick={() => { setForce(false); setAsking(model); }}>{t("promote")}<span class="sr"> {model.name}</span></button>) },
              ]}
            />
          )}
        </Shown>
      </Panel>
      <Panel title={t("runs")} note={t("runs.note")}>
        <Shown of={jobs} what={t("runs")}>
          {(value) => {
            const found = runs(value);
            const chosen = found.filter(({ id }) => (compared.length ? compared.includes(id) : found.indexOf(found.find((one) => one.id === id)!) < 2));
            const series = (name: string): Series[] => chosen.map((run): Series => ({
              name: run.id, points: curve(run).flatMap((point): [number, number][] => { const y = point[name]; return y === undefined ? [] : [[point.step ?? point.epoch ?? 0, y]]; }),
            })).filter(({ points }) => points.length > 0);
            return (
              <>
                <DataTable
                  caption={t("runs")} rows={found} id={({ id }) => id} empty={t("runs.none")} detail={(run) => <JobDetail job={run} changed={jobs.reload} say={say} />}
                  columns={[
                    { name: "compare", head: t("compare"), cell: ({ id }) => <input type="checkbox" aria-label={`${t("compare")} ${id}`} checked={compared.includes(id)} onChange={() => setCompared((before) => (before.includes(id) ? before.filter((one) => one !== id) : [...before.slice(-1), id]))} /> },
                    { name: "id", head: t("id"), sort: ({ id }) => id, cell: ({ id }) => <code>{id}</code> },
                    { name: "state", head: t("state"), sort: ({ state }) => state, cell: ({ state }) => <State of={state} /> },
                    { name: "created", head: t("time"), sort: ({ created_at }) => created_at ?? "", cell: ({ created_at }) => <When at={created_at} /> },
                  ]}
                />
                {series("loss").length > 0 && (
                  <div class="two">
                    <Lines title={t("loss")} xName={t("step")} x={(step) => number(step)} y={(loss) => number(loss, { maximumSignificantDigits: 3 })} series={series("loss")} />
                    <Lines title={t("recall")} xName={t("step")} x={(step) => number(step)} y={(share) => percent(share)} series={series("recall")} />
                  </div>
                )}
              </>
            );
          }}
        </Shown>
        <pre class="commands" tabIndex={0}><code>{"twinset train embedder --data synth: --run RUN\ntwinset model list"}</code></pre>
      </Panel>
      {asking === "rollback" && (
        <Confirm title={t("rollback")} text={t("rollback.text", { catalogue })} act={t("rollback")} onClose={() => setAsking(undefined)} onAct={() => swap("previous:rollback", { catalogue })} />
      )}
      {asking && asking !== "rollback" && (
        <Confirm title={t("promote.title", { name: asking.name })} text={t("promote.text", { catalogue })} act={t("promote")} onClose={() => setAsking(undefined)} onAct={() => swap(`${encodeURIComponent(asking.hash)}:promote`, { catalogue, ...(force ? { force } : {}) })}>
          <label class="choice"><input type="checkbox" checked={force} onChange={(event) => setForce(event.currentTarget.checked)} /><span>{t("promote.force")}</span></label>
        </Confirm>
      )}
    </>
  );
}

/** Both generations were asked the catalogue's own questions. */
function Contested({ contest: { old, new: next, questions, mrr_gain: [gain, low, high] } }: { contest: Contest }) {
  const rows: [string, keyof Marks][] = [["recall@1", "recall_1"], ["recall@10", "recall_10"], ["MRR", "mrr"]];
  const fine = (value: number, sign = false) => number(value, { maximumFractionDigits: 3, ...(sign ? { signDisplay: "always" } : {}) });
  return (
    <table>
      <caption class="table-title">{t("contest", { n: questions })}</caption>
      <thead><tr><th scope="col">{t("measure")}</th><th scope="col" class="right">{t("before")}</th><th scope="col" class="right">{t("this.one")}</th></tr></thead>
      <tbody>{rows.map(([name, mark]) => <tr key={mark}><th scope="row">{name}</th><td class="right">{percent(old[mark], 1)}</td><td class="right">{percent(next[mark], 1)}</td></tr>)}</tbody>
      <tfoot><tr><th scope="row">{t("gain")}</th><td class="right" colSpan={2}>{fine(gain, true)} ({fine(low)} – {fine(high)})</td></tr></tfoot>
    </table>
  );
}
