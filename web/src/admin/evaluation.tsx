/** Evaluation: what was measured, with its intervals; and pairs for a person to judge, which training learns from. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { picturePath, search, tellJudgement, type Answer, type Product, type Result } from "../api";
import { Img } from "../img";
import type { ProductList } from "../schema";
import { number, percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, at, get, send, isOffered, useAsked } from "./ask";
import { DataTable, Panel, Shown, State, Wanting, When } from "./bits";
import { Bars, type Bar } from "./chart";
import { JobDetail, type Job } from "./jobs";
import { duration, t, word } from "./words";
import type { Problem } from "../api";

type Measured = [number, number, number] | number;
/** As `twinset eval` prints it. */
interface Report {
  queries?: number; gallery?: number; recall?: Record<string, Measured>; map?: Measured; mrr?: Measured; precision_at_10?: Measured; ms_per_query?: Record<string, number> | number;
  by_view?: Record<string, { queries?: number; recall?: Record<string, Measured> }>; by_category?: Record<string, { queries?: number; recall?: Record<string, Measured> }>;
  baselines?: Record<string, { recall?: Record<string, Measured> }>;
}
interface Evaluation extends Report { id: string; kind?: string; state?: string; model?: string; catalogue?: string; at?: string; created_at?: string; result?: Report | null; report?: Report | null }

const bar = (name: string, of: Measured | undefined): Bar[] => (of === undefined ? [] : Array.isArray(of) ? [{ name, value: of[0], low: of[1], high: of[2] }] : [{ name, value: of }]);
const first = (of: Measured | undefined): number | undefined => (Array.isArray(of) ? of[0] : of);
const share = (value: number) => percent(value, 1);
const reportOf = (one: Evaluation): Report => one.report ?? one.result ?? one;

export function Evaluation({ catalogue, say }: PageProps) {
  const evaluations = useAsked<{ items: Evaluation[] }>("/v1/evaluations", 10_000);
  const [job, setJob] = useState<Job>();
  const start = () => void send<Job>("POST", "/v1/evaluations", { catalogue }).then((made) => { if (made?.state) setJob(made); evaluations.reload(); }, (reason) => say({ text: asProblem(reason).detail }));
  return (
    <>
      <Panel title={t("evaluations")} note={t("evaluations.note")} actions={isOffered(evaluations) && <button class="button small" onClick={start}>{t("measure.now")}</button>}>
        {job && <JobDetail job={job} changed={evaluations.reload} say={say} />}
        <Shown of={evaluations} what={t("evaluations")}>
          {({ items }) => (
            <>
              {items[0] && <Charts report={reportOf(items[0])} />}
              <DataTable
                caption={t("evaluations")} rows={items} id={({ id }) => id} empty={t("evaluations.none")} detail={(one) => <Charts report={reportOf(one)} />}
                columns={[
                  { name: "id", head: t("id"), sort: ({ id }) => id, cell: ({ id }) => <code>{id}</code> },
                  { name: "model", head: t("model"), sort: ({ model }) => model ?? "", cell: ({ model }) => <code>{(model ?? "–").slice(0, 12)}</code> },
                  { name: "state", head: t("state"), cell: ({ state }) => (state ? <State of={state} /> : "–") },
                  { name: "recall", head: "recall@1", right: true, sort: (one) => first(reportOf(one).recall?.["1"]) ?? 0, cell: (one) => { const value = first(reportOf(one).recall?.["1"]); return value === undefined ? "–" : share(value); } },
                  { name: "map", head: "mAP", right: true, sort: (one) => first(reportOf(one).map) ?? 0, cell: (one) => { const value = first(reportOf(one).map); return value === undefined ? "–" : share(value); } },
                  { name: "queries", head: t("queries"), right: true, sort: (one) => reportOf(one).queries ?? 0, cell: (one) => number(reportOf(one).queries ?? 0) },
                  { name: "at", head: t("time"), sort: (one) => one.at ?? one.created_at ?? "", cell: (one) => <When at={one.at ?? one.created_at} /> },
                ]}
              />
            </>
          )}
        </Shown>
      </Panel>
      <Judge catalogue={catalogue} />
    </>
  );
}

function Charts({ report }: { report: Report }) {
  const groups = report.by_category ?? report.by_view;
  const ms = typeof report.ms_per_query === "object" ? Object.entries(report.ms_per_query) : [];
  return (
    <div class="two">
      <Bars title={t("recall.title")} name={t("measure")} y={share} most={1}
        bars={[...Object.entries(report.recall ?? {}).flatMap(([k, of]) => bar(`recall@${k}`, of)), ...bar("mAP", report.map), ...bar("MRR", report.mrr), ...bar("precision@10", report.precision_at_10), ...Object.entries(report.baselines ?? {}).flatMap(([name, one]) => bar(`${word(`metric.${name}`, name)} @1`, one.recall?.["1"]))]} />
      {groups && <Bars title={t("recall.by")} name={t("kind")} y={share} most={1} bars={Object.entries(groups).flatMap(([name, one]) => bar(word(`kind.${name}`, name), one.recall?.["1"]))} />}
      {ms.length > 0 && <Bars title={t("latency.by")} name={t("stage")} y={(value) => duration(value)} bars={ms.map(([name, value]) => ({ name, value }))} />}
    </div>
  );
}

interface Question { answer: Answer; query: Product; result: Result; rank: number }
const MOST_UNSURE = 0.55;

/** Pairs that the model is least sure of. Keys 1, 2, 3; the judgements go to the feedback that training reads. */
function Judge({ catalogue }: { catalogue: string }) {
  const [question, setQuestion] = useState<Question>();
  const [problem, setProblem] = useState<Problem>();
  const [done, setDone] = useState(0);
  const [on, setOn] = useState(false);
  const seen = useRef(new Set<string>());
  const products = useRef<Product[]>([]);

  const next = useCallback(async () => {
    setProblem(undefined);
    setQuestion(undefined);
    try {
      if (products.current.length === 0) products.current = ((await get<ProductList>(`${at(catalogue)}/products?limit=500`)).items).filter(({ images }) => images?.some(({ picture }) => picture));
      for (let tries = 0; tries < 12 && products.current.length > 0; tries += 1) {
        const query = products.current[Math.floor(Math.random() * products.current.length)]!;
        const answer = await search(catalogue, query.id, { detect: "auto", limit: 12 }, new AbortController().signal);
        const unsure = answer.results
          .map((result, n) => ({ answer, query, result, rank: n + 1 }))
          .filter(({ result }) => result.product.id !== query.id && !seen.current.has([query.id, result.product.id].sort().join("\n")))
          .sort((a, b) => Math.abs(a.result.score - MOST_UNSURE) - Math.abs(b.result.score - MOST_UNSURE))[0];
        if (unsure) {
          seen.current.add([query.id, unsure.result.product.id].sort().join("\n"));
          setQuestion(unsure);
          return;
        }
      }
      setOn(false);
    } catch (reason) {
      setProblem(asProblem(reason));
    }
  }, [catalogue]);

  const judge = useCallback((kind: "same" | "similar" | "different") => {
    if (!question) return;
    tellJudgement(catalogue, question.answer, question.result, question.rank, kind).then(() => { setDone((n) => n + 1); void next(); }, (reason) => setProblem(asProblem(reason)));
  }, [question, next]);
  useEffect(() => {
    if (!on) return;
    const keys = (event: KeyboardEvent) => {
      const kind = ({ 1: "same", 2: "similar", 3: "different" } as const)[event.key as "1"];
      if (kind && !event.ctrlKey && !event.metaKey && !(event.target instanceof HTMLInputElement)) { event.preventDefault(); judge(kind); }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, [on, judge]);

  return (
    <Panel title={t("judge")} note={t("judge.note")} actions={<button class="button small" onClick={() => { setOn(!on); if (!on) void next(); }}>{t(on ? "stop" : "judge.start")}</button>}>
      {problem && <Wanting problem={problem} what={t("judge")} reload={() => void next()} />}
      {on && !question && !problem && <Wanting problem={undefined} what="" />}
      {on && question && (
        <div class="judge">
          <div class="judged">
            {[question.query, question.result.product].map((product, n) => (
              <figure key={n}>
                <Img class="judged-picture" path={picturePath(catalogue, product.id, n ? question.result.image : product.images?.find(({ picture }) => picture)?.name ?? "main", 640)} alt={product.title ?? product.id} />
                <figcaption>{product.title ?? product.id}</figcaption>
              </figure>
            ))}
          </div>
          <div class="acts" role="group" aria-label={t("judge")}>
            {(["same", "similar", "different"] as const).map((kind, n) => <button key={kind} class="button" onClick={() => judge(kind)}><kbd>{n + 1}</kbd>{t(`judge.${kind}`)}</button>)}
            <button class="button small" onClick={() => void next()}>{t("judge.skip")}</button>
          </div>
        </div>
      )}
      <p class="quiet" role="status">{done > 0 ? t("judge.done", { n: done }) : ""}</p>
    </Panel>
  );
}
