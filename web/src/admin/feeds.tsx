/** Feeds: where products come from, and what became of each run, step by step. */
import { useState } from "preact/hooks";
import type { Problem } from "../api";
import { number } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, at, send, useAsked } from "./ask";
import { Confirm, csv, DataTable, Panel, saveAs, Shown, State, Wanting, When } from "./bits";
import { Progressing, running, useJob, type Job } from "./jobs";
import { duration, plural, t, word } from "./words";

interface FeedFinding { kind: string; row?: number; id?: string | null; detail?: string }
interface Source {
  name?: string; id?: string; url?: string | null; format?: string | null; schedule?: string | null; every_minutes?: number | null; state?: string | null;
  last_run?: Job | null; next_run_at?: string | null; settings?: Record<string, unknown> | null;
}
const nameOf = (source: Source): string => source.name ?? source.id ?? "";
const STEPS = ["fetch", "parse", "diff", "pictures", "embed", "publish"] as const;

export function Feeds({ catalogue, say }: PageProps) {
  const path = `${at(catalogue)}/sources`;
  const sources = useAsked<{ items: Source[] }>(path, 5000);
  const [making, setMaking] = useState(false);
  const [watched, setWatched] = useState<Job>();
  const [asking, setAsking] = useState<Source>();
  const run = (source: Source, dry_run: boolean) =>
    void send<Job>("POST", `${path}/${encodeURIComponent(nameOf(source))}/runs`, { dry_run }).then((job) => { if (job) setWatched(job); sources.reload(); }, (reason) => say({ text: asProblem(reason).detail }));
  return (
    <>
      {watched && <Run key={watched.id} job={watched} say={say} />}
      <Panel title={t("sources")} note={t("sources.note")} actions={<button class="button small" onClick={() => setMaking(!making)}>{t("sources.new")}</button>}>
        {making && <NewSource path={path} onClose={() => setMaking(false)} onDone={() => { setMaking(false); sources.reload(); }} />}
        <Shown of={sources} what={t("sources")}>
          {({ items }) => (
            <DataTable
              caption={t("sources")} rows={items} id={nameOf} empty={t("sources.none")}
              columns={[
                { name: "name", head: t("name"), sort: nameOf, cell: (source) => <strong>{nameOf(source)}</strong> },
                { name: "url", head: t("address"), cell: ({ url }) => <span class="clip wide-clip">{url ?? "–"}</span> },
                { name: "format", head: t("format"), sort: ({ format }) => format ?? "", cell: ({ format }) => format ?? t("automatic") },
                { name: "schedule", head: t("schedule"), cell: ({ schedule, every_minutes }) => schedule ?? (every_minutes ? duration(every_minutes * 60_000) : t("by.hand")) },
                { name: "state", head: t("state"), cell: ({ state, last_run }) => (last_run ? <State of={last_run.state} /> : state ? word(`status.${state}`, state) : t("never.run")) },
                { name: "last", head: t("last.run"), cell: ({ last_run }) => <When at={last_run?.created_at} /> },
                {
                  name: "act", head: t("actions"), cell: (source) => (
                    <span class="acts">
                      {source.last_run && running(source.last_run)
                        ? <button class="button small" onClick={() => setWatched(source.last_run!)}>{t("watch")}<span class="sr"> {nameOf(source)}</span></button>
                        : <><button class="button small" onClick={() => run(source, false)}>{t("run")}<span class="sr"> {nameOf(source)}</span></button><button class="button small" onClick={() => run(source, true)}>{t("dry.run")}<span class="sr"> {nameOf(source)}</span></button></>}
                      <button class="button small danger" onClick={() => setAsking(source)}>{t("remove")}<span class="sr"> {nameOf(source)}</span></button>
                    </span>
                  ),
                },
              ]}
              detail={(source) => (source.last_run ? <Run job={source.last_run} say={say} /> : <p class="quiet">{t("never.run")}</p>)}
            />
          )}
        </Shown>
      </Panel>
      {asking && (
        <Confirm title={t("sources.remove", { name: nameOf(asking) })} text={t("sources.remove.text", { name: nameOf(asking) })} act={t("remove")} onClose={() => setAsking(undefined)}
          onAct={() => send("DELETE", `${path}/${encodeURIComponent(nameOf(asking))}`).then(sources.reload)} />
      )}
    </>
  );
}

/** One run: the steps, live counts, what it found, and the question it may ask. */
function Run({ job: first, say }: { job: Job; say: PageProps["say"] }) {
  const read = useAsked<Job>(`/v1/jobs/${encodeURIComponent(first.id)}`);
  const job = useJob(read.value ?? first, read.reload);
  const result = (job.result ?? {}) as { findings?: FeedFinding[]; vanish?: number; counts?: Record<string, number> };
  const counts = Object.entries({ ...result.counts, ...job.counts });
  const at = job.state === "succeeded" ? STEPS.length : Math.max(0, STEPS.indexOf(job.stage as (typeof STEPS)[number]));
  const findings = result.findings ?? [];
  const kinds = [...new Set(findings.map(({ kind }) => kind))].map((kind) => [kind, findings.filter((one) => one.kind === kind)] as const).sort(([, a], [, b]) => b.length - a.length);
  const answer = (verb: "approve" | "cancel") => void (verb === "approve" ? send("POST", `/v1/jobs/${encodeURIComponent(job.id)}:approve`) : send("DELETE", `/v1/jobs/${encodeURIComponent(job.id)}`))
    .then(read.reload, (reason) => say({ text: asProblem(reason).detail }));
  return (
    <section class="panel run" aria-label={t("run.of", { id: job.id })}>
      <header><div><h2>{t("run.of", { id: job.source ?? job.id })}</h2><p class="quiet"><State of={job.state} /> · <When at={job.created_at} /></p></div>
        {running(job) && <div class="acts"><button class="button small danger" onClick={() => answer("cancel")}>{t("cancel.job")}</button></div>}
      </header>
      <ol class="steps">{STEPS.map((step, n) => <li key={step} aria-current={running(job) && n === at ? "step" : undefined} data-done={n < at}>{t(`stage.${step}`)}</li>)}</ol>
      <Progressing job={job} />
      {counts.length > 0 && <dl class="counts">{counts.map(([name, count]) => <div key={name}><dt>{word(`count.${name}`, name)}</dt><dd>{number(count)}</dd></div>)}</dl>}
      {job.state === "needs_approval" && (
        <div class="warnings"><p>{job.problem?.detail ?? t("approval")}</p><p class="acts"><button class="button small" onClick={() => answer("approve")}>{t("approve")}</button><button class="button small" onClick={() => answer("cancel")}>{t("approve.not")}</button></p></div>
      )}
      {job.problem && job.state !== "needs_approval" && <p class="trouble"><strong>{job.problem.title ?? job.problem.code}</strong> {job.problem.detail}</p>}
      {findings.length > 0 && (
        <>
          <h3>{plural("found.findings", findings.length)} <button class="button small" onClick={() => saveAs(`findings-${job.id}.csv`, "text/csv", csv([["kind", "row", "id", "detail"], ...findings.map((one) => [one.kind, one.row ?? "", one.id ?? "", one.detail ?? ""])]))}>{t("csv")}</button></h3>
          {kinds.map(([kind, list]) => (
            <details key={kind}><summary>{word(`finding.${kind}`, kind)} · {number(list.length)}</summary>
              <ul class="examples-list">{list.slice(0, 5).map((one, n) => <li key={n}>{one.row ? `${t("row", { n: one.row })} ` : ""}{one.id && <code>{one.id}</code>} {one.detail}</li>)}</ul>
            </details>
          ))}
        </>
      )}
    </section>
  );
}

function NewSource({ path, onDone, onClose }: { path: string; onDone: () => void; onClose: () => void }) {
  const [problem, setProblem] = useState<Problem>();
  const make = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    send("PUT", `${path}/${encodeURIComponent(text("name"))}`, {
      url: text("url"), ...(text("every") ? { every_minutes: Number(text("every")) } : {}), delete_missing: text("delete"),
    }).then(onDone, (reason) => setProblem(asProblem(reason)));
  };
  return (
    <form class="make" onSubmit={make} aria-label={t("sources.new")}>
      <div class="pair">
        <label class="field"><span>{t("name")}</span><input name="name" required pattern="[A-Za-z0-9._\-]+" maxLength={64} placeholder="shop" /></label>
        <label class="field"><span>{t("address")}</span><input name="url" type="url" required placeholder="https://shop.example/feed.xml" /></label>
        <label class="field"><span>{t("every")}</span><input name="every" type="number" min={5} max={10080} /></label>
        <label class="field"><span>{t("missing")}</span><select name="delete"><option value="ask">{t("missing.ask")}</option><option value="yes">{t("missing.yes")}</option><option value="no">{t("missing.no")}</option></select></label>
      </div>
      {problem && <Wanting problem={problem} what={t("sources.new")} />}
      <div class="acts"><button type="button" class="button small" onClick={onClose}>{t("cancel")}</button><button class="button small primary">{t("sources.make")}</button></div>
    </form>
  );
}
