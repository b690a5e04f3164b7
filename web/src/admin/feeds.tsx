/** Feeds: where products come from, and what became of each run, step by step. */
import { useRef, useState } from "preact/hooks";
import { call, type Problem } from "../api";
import type { JobList, RunShape, SourceSettings, SourceShape } from "../schema";
import { number } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, at, isOffered, send, useAsked } from "./ask";
import { Confirm, csv, DataTable, Panel, saveAs, Shown, State, Wanting, When } from "./bits";
import { isOver, JobButtons, Progressing, useJob, type Job } from "./jobs";
import { bytes, duration, plural, t, word } from "./words";

interface FindingGroup { count: number; rows?: number[]; example?: { row?: number; id?: string | null; detail?: string } | null }
/** As a sync tells it at its end. */
interface Report {
  dry_run?: boolean; format?: string | null; partial?: string | null; not_modified?: boolean; kept?: number; counts?: Record<string, number>;
  pictures?: Record<string, number>; findings?: Record<string, FindingGroup>; failed_pictures?: { product: string; url: string; reason: string }[];
  approval?: { gone: number; of: number; reason: string } | null; error?: string | null; diff?: Difference[];
}
/** What a run would do to one product: its claims as they are and as they would be. */
interface Difference { product: string; fate: "new" | "changed" | "gone"; claims?: Record<string, [unknown, unknown]> }
type Run = Omit<RunShape, "report"> & { report?: Report | null };
type Source = Omit<SourceShape, "runs"> & { runs: Run[] };

const STEPS = ["fetch", "parse", "pictures", "publish"] as const;

export function Feeds({ catalogue, say }: PageProps) {
  const path = `${at(catalogue)}/sources`;
  const sources = useAsked<{ items: Source[] }>(path, 5000);
  const jobs = useAsked<JobList>(`/v1/jobs?catalogue=${encodeURIComponent(catalogue)}&limit=100`, 5000);
  const [making, setMaking] = useState(false);
  const [watched, setWatched] = useState<Job>();
  const [removing, setRemoving] = useState<Source>();
  const chooser = useRef<HTMLInputElement>(null);
  const upload = useRef("");

  const of = (name: string) => `${path}/${encodeURIComponent(name)}`;
  const begun = (job: Job | undefined) => { if (job) setWatched(job); sources.reload(); };
  const failed = (reason: unknown) => say({ text: asProblem(reason).detail });
  const run = (name: string, settings: { dry_run?: boolean; delete_missing?: string }) => void send<Job>("POST", `${of(name)}/runs`, settings).then(begun, failed);
  const running = (name: string) => jobs.value?.items.find((job) => job.source === name && !isOver(job));
  const pause = ({ name, settings }: Source) => void send("PUT", of(name), { ...settings, paused: !settings.paused }).then(sources.reload, failed);

  return (
    <>
      {watched && <RunPanel key={watched.id} job={watched} say={say} onAnswer={(delete_missing) => run(watched.source ?? "", { delete_missing })} />}
      <Panel title={t("sources")} note={t("sources.note")} actions={isOffered(sources) && <button class="button small" onClick={() => setMaking(!making)}>{t("sources.new")}</button>}>
        {making && <NewSource of={of} onClose={() => setMaking(false)} onDone={() => { setMaking(false); sources.reload(); }} />}
        <input
          ref={chooser} class="hidden" type="file" tabIndex={-1} aria-label={t("upload")}
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            event.currentTarget.value = "";
            if (file) void call(`${of(upload.current)}/runs`, { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } }).then((answer) => answer.json() as Promise<Job>).then(begun, failed);
          }}
        />
        <Shown of={sources} what={t("sources")}>
          {({ items }) => (
            <DataTable
              caption={t("sources")} rows={items} id={({ name }) => name} empty={t("sources.none")}
              columns={[
                { name: "name", head: t("name"), sort: ({ name }) => name, cell: ({ name }) => <strong>{name}</strong> },
                { name: "url", head: t("address"), cell: ({ settings }) => <span class="clip wide-clip">{settings.url ?? t("uploaded")}</span> },
                { name: "schedule", head: t("schedule"), sort: ({ settings }) => settings.every_minutes ?? Infinity, cell: ({ settings }) => (settings.paused ? t("paused") : settings.every_minutes ? t("every.so", { time: duration(settings.every_minutes * 60_000) }) : t("by.hand")) },
                { name: "state", head: t("last.run"), sort: ({ runs }) => runs[0]?.started_at ?? "", cell: ({ name, runs }) => { const job = running(name); return job ? <State of={job.state} /> : runs[0] ? <><State of={runs[0].state} /> <When at={runs[0].started_at} /></> : t("never.run"); } },
                {
                  name: "act", head: t("actions"), cell: (source) => {
                    const { name, settings } = source;
                    const job = running(name);
                    const named = <span class="sr"> {name}</span>;
                    return (
                      <span class="acts">
                        {job
                          ? <button class="button small" onClick={() => setWatched(job)}>{t("watch")}{named}</button>
                          : settings.url
                            ? <><button class="button small" onClick={() => run(name, {})}>{t("run")}{named}</button><button class="button small" onClick={() => run(name, { dry_run: true })}>{t("dry.run")}{named}</button></>
                            : <button class="button small" onClick={() => { upload.current = name; chooser.current?.click(); }}>{t("upload")}{named}</button>}
                        {settings.every_minutes != null && <button class="button small" onClick={() => pause(source)}>{t(settings.paused ? "resume" : "pause")}{named}</button>}
                        <button class="button small danger" onClick={() => setRemoving(source)}>{t("remove")}{named}</button>
                      </span>
                    );
                  },
                },
              ]}
              detail={({ name, runs }) => (
                <DataTable
                  caption={t("run.of", { id: name })} rows={runs} id={({ run }) => String(run)} empty={t("never.run")} detail={({ run, report }) => <Told name={`${name}-${run}`} report={report ?? {}} />}
                  columns={[
                    { name: "run", head: t("run"), right: true, sort: ({ run }) => run, cell: ({ run }) => number(run) },
                    { name: "state", head: t("state"), cell: ({ state }) => <State of={state} /> },
                    { name: "at", head: t("time"), sort: ({ started_at }) => started_at, cell: ({ started_at }) => <When at={started_at} /> },
                    { name: "took", head: t("took"), right: true, cell: ({ started_at, ended_at }) => (ended_at ? duration(Date.parse(ended_at) - Date.parse(started_at)) : "–") },
                    ...(["new", "changed", "gone", "failed"] as const).map((count) => ({ name: count, head: word(`count.${count}`, count), right: true, cell: ({ report }: Run) => number(report?.counts?.[count] ?? 0) })),
                  ]}
                />
              )}
            />
          )}
        </Shown>
      </Panel>
      {removing && (
        <Confirm title={t("sources.remove", { name: removing.name })} text={t("sources.remove.text", { name: removing.name })} act={t("remove")} onClose={() => setRemoving(undefined)}
          onAct={() => send("DELETE", of(removing.name)).then(sources.reload)} />
      )}
    </>
  );
}

const stepOf = ({ state, progress }: Job): number => (state === "succeeded" ? STEPS.length : Math.max(0, STEPS.findIndex((step) => step === progress?.stage)));

/** One run: the steps, live counts, what it found, and the question it may ask. */
function RunPanel({ job: first, say, onAnswer }: { job: Job; say: PageProps["say"]; onAnswer: (delete_missing: "yes" | "no") => void }) {
  const read = useAsked<Job>(`/v1/jobs/${encodeURIComponent(first.id)}`);
  const job = useJob(read.value ?? first, read.reload);
  const report = (job.result ?? {}) as Report;
  const step = stepOf(job);
  return (
    <Panel
      title={t(report.dry_run ? "dry.run.of" : "run.of", { id: job.source ?? job.id })} note={<><State of={job.state} /> · <When at={job.created_at} /></>}
      actions={!isOver(job) && <JobButtons job={job} changed={read.reload} say={say} />}
    >
      <ol class="steps">{STEPS.map((name, n) => <li key={name} aria-current={!isOver(job) && n === step ? "step" : undefined} data-done={n < step}>{t(`stage.${name}`)}</li>)}</ol>
      <Progressing job={job} />
      {job.state === "needs_approval" && (
        <div class="trouble" role="alert">
          <p><strong>{report.approval ? plural("approval", report.approval.gone, { total: report.approval.of }) : t("approval.how")}</strong> {report.approval && t("approval.how")}</p>
          <p class="acts"><button class="button small" onClick={() => onAnswer("yes")}>{t("approve")}</button><button class="button small" onClick={() => onAnswer("no")}>{t("approve.not")}</button></p>
        </div>
      )}
      {job.problem && <p class="trouble"><strong>{job.problem.title ?? job.problem.code}</strong> {job.problem.detail}</p>}
      <Told name={job.id} report={{ ...report, counts: job.counts as Record<string, number> }} />
    </Panel>
  );
}

/** What a run tells: counts, and what it found in the feed, by kind. */
function Told({ name, report: { counts, pictures, findings, failed_pictures, partial, error, not_modified, kept, diff } }: { name: string; report: Report }) {
  const groups = Object.entries(findings ?? {}).sort(([, a], [, b]) => b.count - a.count);
  const total = groups.reduce((sum, [, { count }]) => sum + count, 0);
  const save = () => saveAs(`findings-${name}.csv`, "text/csv", csv([
    ["kind", "row", "id", "detail"],
    ...groups.flatMap(([kind, { rows, example }]) => (rows?.length ? rows : [0]).map((row) => (example?.row === row ? [kind, row, example.id ?? "", example.detail ?? ""] : [kind, row, "", ""]))),
    ...(failed_pictures ?? []).map((one) => ["picture", "", one.product, `${one.url}: ${one.reason}`]),
  ]));
  return (
    <div class="told">
      {not_modified && <p class="quiet">{t("not.modified")}</p>}
      {(partial || error) && <p class="trouble">{partial ?? error}</p>}
      {counts && <dl class="counts">{Object.entries(counts).map(([kind, count]) => <div key={kind}><dt>{word(`count.${kind}`, kind)}</dt><dd>{number(count)}</dd></div>)}{kept ? <div><dt>{word("count.kept", "kept")}</dt><dd>{number(kept)}</dd></div> : null}</dl>}
      {pictures && <dl class="counts">{Object.entries(pictures).map(([kind, count]) => <div key={kind}><dt>{word(`count.pictures_${kind}`, kind)}</dt><dd>{kind === "bytes" ? bytes(count) : number(count)}</dd></div>)}</dl>}
      {diff && diff.length > 0 && (
        <DataTable caption={t("diff")} rows={diff.slice(0, DIFF_SHOWN)} id={({ product }) => product} empty="–" columns={[
          { name: "product", head: t("id"), sort: ({ product }) => product, cell: ({ product }) => <code>{product}</code> },
          { name: "fate", head: t("change"), sort: ({ fate }) => fate, cell: ({ fate }) => word(`count.${fate}`, fate) },
          { name: "claims", head: t("claims"), cell: ({ claims }) => <ul class="diff">{Object.entries(claims ?? {}).map(([member, [before, after]]) => <li key={member}><code>{member}</code> <del>{said(before)}</del> → <ins>{said(after)}</ins></li>)}</ul> },
        ]} />
      )}
      {total > 0 && (
        <>
          <h3>{plural("found.findings", total)} <button class="button small" onClick={save}>{t("csv")}</button></h3>
          {groups.map(([kind, { count, rows, example }]) => (
            <details key={kind}>
              <summary>{word(`finding.${kind}`, kind)} · {number(count)}</summary>
              <ul class="examples-list">
                {example && <li>{example.row ? `${t("row", { n: example.row })} ` : ""}{example.id && <code>{example.id}</code>} {example.detail}</li>}
                {rows && rows.length > 1 && <li>{t("rows", { list: rows.slice(0, 40).map((row) => number(row)).join(", ") })}</li>}
              </ul>
            </details>
          ))}
        </>
      )}
    </div>
  );
}

const DIFF_SHOWN = 100;
const said = (claim: unknown): string => (claim === null ? "–" : typeof claim === "string" ? claim : JSON.stringify(claim));

function NewSource({ of, onDone, onClose }: { of: (name: string) => string; onDone: () => void; onClose: () => void }) {
  const [problem, setProblem] = useState<Problem>();
  const make = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const settings: SourceSettings = { delete_missing: text("missing") as SourceSettings["delete_missing"], ...(text("url") ? { url: text("url") } : {}), ...(text("every") ? { every_minutes: Number(text("every")) } : {}), ...(text("currency") ? { currency: text("currency").toUpperCase() } : {}) };
    send("PUT", of(text("name")), settings).then(onDone, (reason) => setProblem(asProblem(reason)));
  };
  return (
    <form class="make" onSubmit={make} aria-label={t("sources.new")}>
      <div class="pair">
        <label class="field"><span>{t("name")}</span><input name="name" required maxLength={64} placeholder="shop" /></label>
        <label class="field"><span>{t("address.how")}</span><input name="url" type="url" placeholder="https://shop.example/feed.xml" /></label>
        <label class="field"><span>{t("every")}</span><input name="every" type="number" min={1} max={10080} /></label>
        <label class="field"><span>{t("currency")}</span><input name="currency" maxLength={3} placeholder="EUR" /></label>
        <label class="field"><span>{t("missing")}</span><select name="missing"><option value="ask">{t("missing.ask")}</option><option value="yes">{t("missing.yes")}</option><option value="no">{t("missing.no")}</option></select></label>
      </div>
      {problem && <Wanting problem={problem} what={t("sources.new")} />}
      <div class="acts"><button type="button" class="button small" onClick={onClose}>{t("cancel")}</button><button class="button small primary">{t("sources.make")}</button></div>
    </form>
  );
}
