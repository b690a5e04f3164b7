/** Training: runs with their curves, models with their cards, and the swap from one to another. */
import { useState } from "preact/hooks";
import { number, percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, send, useAsked } from "./ask";
import { Confirm, DataTable, Panel, Shown, State, When } from "./bits";
import { Lines, type Series } from "./chart";
import { JobDetail, type Job } from "./jobs";
import { t, word } from "./words";

interface Model {
  id?: string; hash?: string; name?: string; kind?: string; state?: string; active?: boolean; in_use?: boolean; shipped?: boolean; catalogues?: string[];
  created_at?: string | null; card?: Record<string, unknown> | null; contest?: Contest | null; generations?: Generation[];
}
interface Marks { first?: number; first_ten?: number; reciprocal_rank?: number }
interface Contest { products?: number; questions?: number; old?: Marks; new?: Marks; gain?: [number, number, number] }
interface Generation { id?: string; model?: string; state?: string; done?: number; total?: number }

const idOf = (model: Model): string => model.id ?? model.hash ?? model.name ?? "";
const used = (model: Model): boolean => model.active ?? model.in_use ?? model.state === "active";

interface Point { step?: number; epoch?: number; loss?: number; recall?: number; [name: string]: number | undefined }
const curve = (job: Job): Point[] => ((job.result as { history?: Point[] } | null | undefined)?.history ?? (job as { history?: Point[] }).history ?? []);

export function Training({ catalogue, say }: PageProps) {
  const models = useAsked<{ items: Model[] }>("/v1/models", 5000);
  const jobs = useAsked<{ items: Job[] }>("/v1/jobs?limit=200", 5000);
  const [asking, setAsking] = useState<Model>();
  const [job, setJob] = useState<Job>();
  const [compared, setCompared] = useState<string[]>([]);
  const runs = (value: { items: Job[] }) => value.items.filter(({ kind }) => kind === "training" || kind === "train");
  const swap = (model: Model) => send<Job>("POST", `/v1/models/${encodeURIComponent(idOf(model))}:promote`, { catalogue }).then((made) => { if (made?.state) setJob(made); models.reload(); });
  return (
    <>
      {job && <Panel title={t("swap")}><JobDetail job={job} changed={models.reload} say={say} /></Panel>}
      <Panel title={t("models")} note={t("models.note")}>
        <Shown of={models} what={t("models")}>
          {({ items }) => (
            <DataTable
              caption={t("models")} rows={items} id={idOf} empty={t("models.none")}
              detail={(model) => <Card model={model} />}
              columns={[
                { name: "name", head: t("name"), sort: (model) => model.name ?? idOf(model), cell: (model) => <><strong>{model.name ?? idOf(model)}</strong> {model.shipped && <span class="tag">{t("shipped")}</span>}</> },
                { name: "hash", head: t("hash"), cell: (model) => <code>{idOf(model).slice(0, 12)}</code> },
                { name: "kind", head: t("kind"), sort: ({ kind }) => kind ?? "", cell: ({ kind }) => word(`card.${kind}`, kind ?? "–") },
                { name: "state", head: t("state"), cell: (model) => (used(model) ? <span class="tag">{t("in.use")}</span> : <button class="button small" onClick={() => setAsking(model)}>{t("promote")}<span class="sr"> {idOf(model)}</span></button>) },
                { name: "created", head: t("created"), sort: ({ created_at }) => created_at ?? "", cell: ({ created_at }) => <When at={created_at} /> },
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
      {asking && (
        <Confirm title={t("promote.title", { name: asking.name ?? idOf(asking) })} text={t("promote.text", { catalogue })} act={t("promote")} onClose={() => setAsking(undefined)}
          onAct={() => swap(asking).catch((reason) => { throw asProblem(reason); })} />
      )}
    </>
  );
}

function Card({ model }: { model: Model }) {
  const { contest, card } = model;
  return (
    <div class="job">
      {contest && <Contested contest={contest} />}
      {card && <dl class="facts">{Object.entries(card).map(([name, value]) => <div key={name}><dt><code>{name}</code></dt><dd>{typeof value === "object" ? JSON.stringify(value) : String(value)}</dd></div>)}</dl>}
    </div>
  );
}

/** Both generations were asked the catalogue's own questions. */
function Contested({ contest: { old, new: next, questions, gain } }: { contest: Contest }) {
  const row = (name: string, one: number | undefined, other: number | undefined) => <tr><th scope="row">{name}</th><td class="right">{one === undefined ? "–" : percent(one, 1)}</td><td class="right">{other === undefined ? "–" : percent(other, 1)}</td></tr>;
  return (
    <table>
      <caption class="table-title">{t("contest", { n: questions ?? 0 })}</caption>
      <thead><tr><th scope="col">{t("measure")}</th><th scope="col" class="right">{t("in.use")}</th><th scope="col" class="right">{t("this.one")}</th></tr></thead>
      <tbody>
        {row("recall@1", old?.first, next?.first)}
        {row("recall@10", old?.first_ten, next?.first_ten)}
        {row("MRR", old?.reciprocal_rank, next?.reciprocal_rank)}
      </tbody>
      {gain && <tfoot><tr><th scope="row">{t("gain")}</th><td class="right" colSpan={2}>{number(gain[0], { maximumFractionDigits: 3, signDisplay: "always" })} ({number(gain[1], { maximumFractionDigits: 3 })} – {number(gain[2], { maximumFractionDigits: 3 })})</td></tr></tfoot>}
    </table>
  );
}
