/** Jobs and log: everything that runs or ran, who started it and how it ended. */
import { useEffect, useState } from "preact/hooks";
import type { DeedList, Job, JobList } from "../schema";
import { number } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, listen, send, useAsked } from "./ask";
import { Bar, Confirm, DataTable, Panel, Shown, State, When } from "./bits";
import { duration, t, word } from "./words";

export type { Job };

const OVER = new Set<Job["state"]>(["needs_approval", "succeeded", "failed", "cancelled"]);
export const isOver = ({ state }: Job): boolean => OVER.has(state);

export const Progressing = ({ job: { progress, state, id, created_at } }: { job: Job }) => {
  const { done, total, unit, eta_ms } = progress;
  const seconds = (Date.now() - Date.parse(created_at)) / 1000;
  const named = word(`unit.${unit}`, unit);
  return (
    <div class="progressing">
      {!OVER.has(state) && <Bar done={done} total={total} label={id} />}
      <span>{number(done)}{total ? ` / ${number(total)}` : ""} {named}{state === "running" && done > 0 && seconds >= 1 ? ` · ${t("rate", { n: number(done / seconds, { maximumSignificantDigits: 2 }), unit: named })}` : ""}{state === "running" && eta_ms ? ` · ${t("left", { time: duration(eta_ms) })}` : ""}</span>
    </div>
  );
};

/** The job as it changes: by events where the server sends them, else by reading it again. */
export function useJob(first: Job, changed: () => void): Job {
  const [job, setJob] = useState(first);
  const moving = !isOver(first);
  const [deaf, setDeaf] = useState(false);
  useEffect(() => { setJob(first); }, [first]);
  useEffect(() => {
    if (!moving) return;
    return listen(`/v1/jobs/${encodeURIComponent(first.id)}/events`, (_, data) => {
      const next = data as Partial<Job>;
      setJob((before) => ({ ...before, ...next }));
      if (next.state && OVER.has(next.state)) changed();
    }, (problem) => { if (problem) setDeaf(true); else changed(); });
  }, [first.id, moving]);
  useEffect(() => {
    if (!deaf || !moving) return;
    const timer = setInterval(changed, 2000);
    return () => clearInterval(timer);
  }, [deaf, moving]);
  return job;
}

/** The latest job of a kind that a page cares about, where that page is. */
export function JobLine({ job: { state, progress, problem }, what }: { job: Job; what: string }) {
  const works = !OVER.has(state);
  return (
    <div class="job" role="status">
      <p><strong>{what}</strong> <State of={state} /> {works && progress.stage && <span class="quiet">{word(`stage.${progress.stage}`, progress.stage)}</span>}</p>
      {works && <div class="progressing"><Bar done={progress.done} total={progress.total} label={what} />{progress.total ? <span>{number(progress.done)} / {number(progress.total)}</span> : null}</div>}
      {problem && <p class="trouble">{problem.detail ?? problem.title}</p>}
    </div>
  );
}

/** Pause, go on, cancel. */
export function JobButtons({ job, changed, say }: { job: Job; changed: () => void; say: PageProps["say"] }) {
  const [asking, setAsking] = useState(false);
  const path = `/v1/jobs/${encodeURIComponent(job.id)}`;
  const order = (state: "paused" | "running") => void send("PATCH", path, { state }).then(changed, (reason) => say({ text: asProblem(reason).detail }));
  return (
    <div class="acts">
      {job.state === "paused" ? <button class="button small" onClick={() => order("running")}>{t("resume")}</button> : <button class="button small" onClick={() => order("paused")}>{t("pause")}</button>}
      <button class="button small danger" onClick={() => setAsking(true)}>{t("cancel.job")}</button>
      {asking && (
        <Confirm title={t("cancel.job")} text={t("cancel.text", { id: job.id })} act={t("cancel.job")} onClose={() => setAsking(false)}
          onAct={() => send("DELETE", path).then(() => { say({ text: t("cancel.done") }); changed(); })} />
      )}
    </div>
  );
}

export function JobDetail({ job: first, changed, say }: { job: Job; changed: () => void; say: PageProps["say"] }) {
  const job = useJob(first, changed);
  const counts = Object.entries(job.counts).filter((one): one is [string, number] => typeof one[1] === "number");
  return (
    <div class="job">
      <Progressing job={job} />
      {counts.length > 0 && <dl class="counts">{counts.map(([name, count]) => <div key={name}><dt>{word(`count.${name}`, name)}</dt><dd>{number(count)}</dd></div>)}</dl>}
      {job.problem && <p class="trouble"><strong>{job.problem.title ?? job.problem.code}</strong> {job.problem.detail}</p>}
      {job.result !== undefined && job.result !== null && <details><summary>{t("result")}</summary><pre class="commands" tabIndex={0}><code>{JSON.stringify(job.result, null, 2)}</code></pre></details>}
      {!isOver(job) && <JobButtons job={job} changed={changed} say={say} />}
    </div>
  );
}

export function Jobs({ say }: PageProps) {
  const jobs = useAsked<JobList>("/v1/jobs?limit=200", 5000);
  const log = useAsked<DeedList>("/v1/log?limit=200", 10_000);
  const [states, setStates] = useState("");
  return (
    <>
    <Panel title={t("jobs")} actions={
      <label class="field line"><span>{t("state")}</span>
        <select value={states} onChange={(event) => setStates(event.currentTarget.value)}>
          <option value="">{t("all")}</option>
          {["queued", "running", "paused", "needs_approval", "succeeded", "failed", "cancelled"].map((one) => <option key={one} value={one}>{word(`job.${one}`, one)}</option>)}
        </select>
      </label>
    }>
      <Shown of={jobs} what={t("jobs")}>
        {({ items }) => (
          <DataTable
            caption={t("jobs")} rows={items.filter(({ state }) => !states || state === states)} id={({ id }) => id} empty={t("jobs.none")}
            detail={(job) => <JobDetail job={job} changed={jobs.reload} say={say} />}
            columns={[
              { name: "kind", head: t("kind"), sort: ({ kind }) => kind, cell: ({ kind }) => word(`kind.of.${kind}`, kind) },
              { name: "state", head: t("state"), sort: ({ state }) => state, cell: ({ state }) => <State of={state} /> },
              { name: "catalogue", head: t("catalogue"), sort: ({ catalogue }) => catalogue ?? "", cell: ({ catalogue, source }) => [catalogue, source].filter(Boolean).join(" · ") || "–" },
              { name: "progress", head: t("progress"), cell: (job) => <Progressing job={job} /> },
              { name: "by", head: t("started.by"), sort: ({ by }) => by ?? "", cell: ({ by }) => by ?? "–" },
              { name: "created", head: t("time"), sort: ({ created_at }) => created_at, cell: ({ created_at }) => <When at={created_at} /> },
            ]}
          />
        )}
      </Shown>
    </Panel>
    <Panel title={t("log")} note={t("log.note")}>
      <Shown of={log} what={t("log")}>
        {({ items }) => (
          <DataTable
            caption={t("log")} rows={items} id={({ id }) => String(id)} empty={t("log.none")}
            columns={[
              { name: "at", head: t("time"), sort: ({ at }) => at, cell: ({ at }) => <When at={at} /> },
              { name: "by", head: t("log.by"), sort: ({ by }) => by ?? "", cell: ({ by }) => by ?? "–" },
              { name: "what", head: t("log.what"), sort: ({ path }) => path, cell: ({ method, path }) => <code>{method} {path}</code> },
              { name: "status", head: t("log.answer"), right: true, sort: ({ status }) => status, cell: ({ status }) => status },
              { name: "request", head: t("log.request"), cell: ({ request }) => <code>{request}</code> },
            ]}
          />
        )}
      </Shown>
    </Panel>
    </>
  );
}
