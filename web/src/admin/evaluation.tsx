/** Evaluation: what was measured, with its intervals; and pairs for a person to judge, which training learns from. */
import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import { picturePath, search, tellJudgement, type Answer, type Product, type Result } from "../api";
import { Img } from "../img";
import type { Evaluation as Evaluated, ProductList } from "../schema";
import { number, percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, at, get, send, isOffered, useAsked } from "./ask";
import { DataTable, Panel, Shown, Wanting, When } from "./bits";
import { Bars, type Bar } from "./chart";
import { JobDetail, type Job } from "./jobs";
import { duration, t, word } from "./words";
import type { Problem } from "../api";

type Measured = [number, number, number];
interface Groups { [name: string]: { queries: number; recall: Record<string, Measured> } }
/** As `twinset eval retrieval` tells it. */
interface Report {
  queries: number; gallery: number; products?: number; recall: Record<string, Measured>; map?: Measured; mrr?: Measured; precision_at_10?: Measured; ms_per_query?: Record<string, number>;
  by_view?: Groups; by_category?: Groups; baselines?: Record<string, { recall?: Record<string, Measured> }>; worst?: Missed[];
}
interface Missed { product: string; image: string; rank: number | null; first: { product: string; image: string } | null }
type Made = Omit<Evaluated, "report"> & { report: Report };

const bar = (name: string, of: Measured | undefined): Bar[] => (of === undefined ? [] : [{ name, value: of[0], low: of[1], high: of[2] }]);
const share = (value: number) => percent(value, 1);

export function Evaluation({ catalogue, say }: PageProps) {
  const evaluations = useAsked<{ items: Made[] }>(`/v1/evaluations?catalogue=${encodeURIComponent(catalogue)}`, 10_000);
  const [job, setJob] = useState<Job>();
  const start = () => void send<Job>("POST", "/v1/evaluations", { catalogue }).then((made) => { if (made?.state) setJob(made); evaluations.reload(); }, (reason) => say({ text: asProblem(reason).detail }));
  return (
    <>
      <Panel title={t("evaluations")} note={t("evaluations.note")} actions={isOffered(evaluations) && <button class="button small" onClick={start}>{t("measure.now")}</button>}>
        {job && <JobDetail key={job.id} job={job} changed={evaluations.reload} say={say} />}
        <Shown of={evaluations} what={t("evaluations")}>
          {({ items }) => (
            <>
              {items[0] && <><Charts report={items[0].report} /><Worst catalogue={catalogue} missed={items[0].report.worst ?? []} /></>}
              <DataTable
                caption={t("evaluations")} rows={items} id={({ id }) => id} empty={t("evaluations.none")} detail={(one) => <Charts report={one.report} />}
                columns={[
                  { name: "id", head: t("id"), sort: ({ id }) => id, cell: ({ id }) => <code>{id}</code> },
                  { name: "model", head: t("model"), sort: ({ model }) => model, cell: ({ model }) => <code>{model.slice(0, 12)}</code> },
                  { name: "recall", head: "recall@1", right: true, sort: ({ report }) => report.recall["1"]?.[0] ?? 0, cell: ({ report: { recall } }) => (recall["1"] ? share(recall["1"][0]) : "–") },
                  { name: "ten", head: "recall@10", right: true, sort: ({ report }) => report.recall["10"]?.[0] ?? 0, cell: ({ report: { recall } }) => (recall["10"] ? share(recall["10"][0]) : "–") },
                  { name: "queries", head: t("queries"), right: true, sort: ({ report }) => report.queries, cell: ({ report }) => number(report.queries) },
                  { name: "at", head: t("time"), sort: ({ at }) => at, cell: ({ at }) => <When at={at} /> },
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
  const ms = Object.entries(report.ms_per_query ?? {});
  return (
    <div class="two">
      <Bars title={t("recall.title")} name={t("measure")} y={share} most={1}
        bars={[...Object.entries(report.recall).flatMap(([k, of]) => bar(`recall@${k}`, of)), ...bar("mAP", report.map), ...bar("MRR", report.mrr), ...bar("precision@10", report.precision_at_10), ...Object.entries(report.baselines ?? {}).flatMap(([name, one]) => bar(`${word(`metric.${name}`, name)} @1`, one.recall?.["1"]))]} />
      {groups && <Bars title={t("recall.by")} name={t("kind")} y={share} most={1} bars={Object.entries(groups).flatMap(([name, one]) => bar(word(`kind.${name}`, name), one.recall["1"]))} />}
      {ms.length > 0 && <Bars title={t("latency.by")} name={t("stage")} y={(value) => duration(value)} bars={ms.map(([name, value]) => ({ name, value }))} />}
    </div>
  );
}

/** What was asked with, and what came first instead. */
function Worst({ catalogue, missed }: { catalogue: string; missed: Missed[] }) {
  if (missed.length === 0) return null;
  return (
    <section class="worst" aria-label={t("worst")}>
      <h3>{t("worst")}</h3>
      <p class="quiet">{t("worst.note")}</p>
      <ul>
        {missed.slice(0, 12).map(({ product, image, rank, first }) => (
          <li key={`${product} ${image}`}>
            <Img class="worst-picture" path={picturePath(catalogue, product, image, 240)} alt={product} lazy />
            {first ? <Img class="worst-picture" path={picturePath(catalogue, first.product, first.image, 240)} alt={first.product} lazy /> : <span class="worst-picture none">–</span>}
            <p><strong>{product}</strong> <span class="quiet">{rank ? t("worst.rank", { n: rank }) : t("worst.lost")}</span></p>
          </li>
        ))}
      </ul>
    </section>
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
    setQuestion(undefined); // a second key is not for the same pair
    tellJudgement(catalogue, question.answer, question.result, question.rank, kind).then(() => { setDone((n) => n + 1); void next(); }, (reason) => { setQuestion(question); setProblem(asProblem(reason)); });
  }, [question, next]);
  // With the pictures, not after them: who sees a pair may press at once.
  useLayoutEffect(() => {
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
