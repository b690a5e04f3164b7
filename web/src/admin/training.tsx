/** Training: runs with their curves, models with their cards, and the swap from one to another. */
import { useState } from "preact/hooks";
import type { ModelList, ModelShape, Run as Trained } from "../schema";
import { number, percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, isOffered, send, useAsked } from "./ask";
import { Confirm, DataTable, Panel, Shown, State, When } from "./bits";
import { Lines, type Series } from "./chart";
import { JobDetail, JobLine, type Job } from "./jobs";
import { t, word } from "./words";

interface Marks { recall_1: number; recall_10: number; mrr: number }
interface Contest { products: number; questions: number; old: Marks; new: Marks; mrr_gain: [number, number, number] }
interface Point { step: number; loss?: number; [name: string]: number | undefined }
interface Gain { before: number; after: number; queries: number; won: number; lost: number }
type Run = Omit<Trained, "gain" | "history"> & { gain?: Gain | null; history: Point[] };

export function Training({ catalogue, say }: PageProps) {
  const models = useAsked<ModelList>("/v1/models", 3000);
  const runs = useAsked<{ items: Run[] }>("/v1/runs", 5000);
  const [job, setJob] = useState<Job>();
  const [asking, setAsking] = useState<ModelShape | "rollback" | "train">();
  const [force, setForce] = useState(false);
  const [compared, setCompared] = useState<string[]>([]);
  const train = () => send<Job>("POST", "/v1/runs", { catalogue }).then((made) => { setJob(made); runs.reload(); }, (reason) => { throw asProblem(reason); });
  const swap = (path: string, body: unknown) => send("POST", `/v1/models/${path}`, body).then(() => { say({ text: t("started") }); models.reload(); }, (reason) => { throw asProblem(reason); });
  const latest = models.value?.promotions[catalogue];
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
      <Panel title={t("runs")} note={t("runs.note")} actions={isOffered(runs) && <button class="button small" onClick={() => setAsking("train")}>{t("train.now")}</button>}>
        {job && <JobDetail key={job.id} job={job} changed={() => { runs.reload(); models.reload(); }} say={say} />}
        <Shown of={runs} what={t("runs")}>
          {({ items }) => {
            const chosen = items.filter(({ id }, n) => (compared.length ? compared.includes(id) : n < 2));
            const names = [...new Set(chosen.flatMap(({ history }) => Object.keys(history[0] ?? {})))].filter((name) => !BESIDE.has(name));
            const series = (name: string): Series[] => chosen.map((run): Series => ({
              name: run.id, points: run.history.flatMap((point): [number, number][] => { const y = point[name]; return y === undefined ? [] : [[point.step, y]]; }),
            })).filter(({ points }) => points.length > 1);
            return (
              <>
                <DataTable
                  caption={t("runs")} rows={items} id={({ id }) => id} empty={t("runs.none")} detail={(run) => <RunFacts run={run} />}
                  columns={[
                    { name: "compare", head: t("compare"), cell: ({ id }) => <input type="checkbox" aria-label={`${t("compare")} ${id}`} checked={compared.includes(id)} onChange={() => setCompared((before) => (before.includes(id) ? before.filter((one) => one !== id) : [...before.slice(-1), id]))} /> },
                    { name: "id", head: t("id"), sort: ({ id }) => id, cell: ({ id }) => <code>{id}</code> },
                    { name: "state", head: t("state"), sort: ({ state }) => state, cell: ({ state }) => <State of={state} /> },
                    { name: "step", head: t("step"), right: true, sort: ({ step }) => step, cell: ({ step, steps }) => `${number(step)} / ${number(steps)}` },
                    { name: "loss", head: t("loss"), right: true, sort: ({ history }) => history.at(-1)?.loss ?? 0, cell: ({ history }) => { const loss = history.at(-1)?.loss; return loss === undefined ? "–" : number(loss, { maximumSignificantDigits: 3 }); } },
                    { name: "gain", head: t("gain.short"), right: true, sort: ({ gain }) => (gain ? gain.after - gain.before : 0), cell: ({ gain }) => (gain ? `${percent(gain.before, 1)} → ${percent(gain.after, 1)}` : "–") },
                  ]}
                />
                <div class="two">
                  {names.filter((name) => series(name).length > 0).slice(0, 4).map((name) => (
                    <Lines key={name} title={name === "loss" ? t("loss") : name} xName={t("step")} x={(step) => number(step)} y={(loss) => number(loss, { maximumSignificantDigits: 3 })} series={series(name)} />
                  ))}
                </div>
              </>
            );
          }}
        </Shown>
        <pre class="commands" tabIndex={0}><code>{"twinset train embedder --data synth: --run HOME/runs/NAME\ntwinset model list"}</code></pre>
      </Panel>
      {asking === "train" && <Confirm title={t("train.now")} text={t("train.text", { catalogue })} act={t("train.now")} onClose={() => setAsking(undefined)} onAct={train} />}
      {asking === "rollback" && (
        <Confirm title={t("rollback")} text={t("rollback.text", { catalogue })} act={t("rollback")} onClose={() => setAsking(undefined)} onAct={() => swap("previous:rollback", { catalogue })} />
      )}
      {asking && asking !== "rollback" && asking !== "train" && (
        <Confirm title={t("promote.title", { name: asking.name })} text={t("promote.text", { catalogue })} act={t("promote")} onClose={() => setAsking(undefined)} onAct={() => swap(`${encodeURIComponent(asking.hash)}:promote`, { catalogue, ...(force ? { force } : {}) })}>
          <label class="choice"><input type="checkbox" checked={force} onChange={(event) => setForce(event.currentTarget.checked)} /><span>{t("promote.force")}</span></label>
        </Confirm>
      )}
    </>
  );
}

/** Of a curve's point, what is no loss. */
const BESIDE = new Set(["step", "learning_rate", "pictures_per_second"]);

function RunFacts({ run: { program, data, machine, model, gain, checkpoint_at } }: { run: Run }) {
  const facts: [string, string | null | undefined][] = [[t("program"), program], [t("machine"), machine], [t("data"), data?.slice(0, 16)], [t("model"), model?.slice(0, 12)]];
  return (
    <>
      <dl class="facts">{facts.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}{checkpoint_at && <div><dt>{t("checkpoint")}</dt><dd><When at={checkpoint_at} /></dd></div>}</dl>
      {gain && <p>{t("gain.held", { before: percent(gain.before, 1), after: percent(gain.after, 1) })} ({number(gain.won)} : {number(gain.lost)})</p>}
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
