/** Index health: how far it is, how well it finds, and what can be done about it. */
import { useCallback, useEffect, useState } from "preact/hooks";
import type { IndexShape, Times } from "../schema";
import { number, percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, at, get, send, useAsked } from "./ask";
import { Confirm, DataTable, Panel, Shown, Stat, Wanting, When } from "./bits";
import { JobDetail, isOver, type Job } from "./jobs";
import { pick, readMetrics, sum, type Reading } from "./metrics";
import { bytes, duration, plural, t, word } from "./words";
import type { Problem } from "../api";

/** The result of a check. */
interface Verdict { sound: boolean; missing: number; extra: number; wrong: number }

const read = async (path: string): Promise<{ status: IndexShape; reading: Reading }> => {
  const [status, reading] = await Promise.all([get<IndexShape>(path), readMetrics("/metrics")]);
  return { status, reading };
};

export function IndexHealth({ catalogue, say }: PageProps) {
  const path = `${at(catalogue)}/index`;
  const health = useAsked(path, 5000, read);
  const [asking, setAsking] = useState<"verify" | "rebuild" | null>(null);
  const [job, setJob] = useState<Job>();
  const [verdict, setVerdict] = useState<Verdict>();
  const [problem, setProblem] = useState<Problem>();
  /** The job that was watched is over: what came of it, and what the index is like now. */
  const ended = useCallback(() => {
    health.reload();
    if (job?.kind === "verify") void get<Job>(`/v1/jobs/${encodeURIComponent(job.id)}`).then(({ result }) => setVerdict((result ?? undefined) as Verdict | undefined), () => undefined);
  }, [job?.id]);
  // A small index is through before the answer to the request says that it began.
  useEffect(() => { if (job && isOver(job)) ended(); }, [job?.id]);
  const start = async (work: string) => {
    setProblem(undefined);
    setVerdict(undefined);
    await send<Job>("POST", work).then((made) => { if (made?.id) setJob(made); say({ text: t("started") }); }, (reason) => setProblem(asProblem(reason)));
  };
  return (
    <Shown of={health} what={t("page.index")}>
      {({ status, reading }) => {
        const { change, snapshot, saved, pictures, recall, snapshots } = status;
        const fresh = sum(reading, "twinset_freshness_seconds", { catalogue });
        const all = recall.find(({ filter }) => filter === "none");
        const within = ({ count, p50_ms, p99_ms }: Times) => (count ? { value: duration(p50_ms), note: t("index.p99", { time: duration(p99_ms) }) } : { value: "–" });
        return (
          <>
            <Panel
              title={t("index.state")} note={status.trouble ? undefined : t(change === snapshot ? "index.ready" : "index.behind")}
              actions={<><button class="button small" onClick={() => setAsking("verify")}>{t("verify")}</button><button class="button small" onClick={() => setAsking("rebuild")}>{t("rebuild")}</button></>}
            >
              {status.trouble && <p class="trouble" role="alert">{t("index.trouble")}</p>}
              {problem && <Wanting problem={problem} what={t("page.index")} />}
              <dl class="stats">
                <Stat name={t("searchable")} value={number(status.items)} />
                <Stat name={t("behind")} value={change > snapshot ? number(change - snapshot) : t("behind.none")} note={t("index.of", { n: snapshot, total: change })} />
                {fresh !== undefined && fresh > 0 && <Stat name={t("index.age")} value={duration(fresh * 1000)} />}
                <Stat name={t("index.fresh")} {...within(status.searchable)} />
                <Stat name={t("index.gone")} {...within(status.gone)} />
                <Stat name={t("index.recall")} value={all ? percent(all.value, 1) : "–"} note={all ? plural("index.sampled", all.queries) : t("index.unmeasured")} />
                <Stat name={t("index.kind")} value={word(`status.${status.kind}`, status.kind)} />
                {status.kind === "graph" && <Stat name={t("index.removed")} value={number(status.removed)} />}
                <Stat name={t("index.saved")} value={number(saved)} note={change > saved ? plural("index.replay", change - saved) : t("behind.none")} />
                <Stat name={t("overview.memory")} value={bytes(status.memory_bytes)} note={t("index.file", { size: bytes(status.file_bytes) })} />
                <Stat name={t("index.computed")} value={number(pictures.computed)} note={t("index.reused", { n: pictures.reused })} />
                <Stat name={t("index.unreadable")} value={number(pictures.unreadable)} tone={pictures.unreadable > 0 ? "bad" : undefined} />
                {status.quarantined > 0 && <Stat name={t("index.quarantined")} value={number(status.quarantined)} tone="bad" />}
              </dl>
              {job && <JobDetail key={job.id} job={job} changed={ended} say={say} />}
              {job?.kind === "verify" && verdict && <p class={verdict.sound ? "fine" : "trouble"} role="status">{verdict.sound ? t("index.sound") : t("index.unsound", { missing: verdict.missing, extra: verdict.extra, wrong: verdict.wrong })}</p>}
            </Panel>
            <Panel title={t("recall.measured")} note={t("recall.measured.note")}>
              <DataTable caption={t("recall.measured")} rows={recall} id={({ filter }) => filter} empty={t("recall.measured.none")} columns={[
                { name: "filter", head: t("filters"), cell: ({ filter }) => word(`status.${filter}`, filter) },
                { name: "recall", head: "recall@10", right: true, sort: ({ value }) => value, cell: ({ value }) => percent(value, 1) },
                { name: "interval", head: t("interval"), right: true, cell: ({ low, high }) => `${percent(low, 1)} – ${percent(high, 1)}` },
                { name: "queries", head: t("queries"), right: true, sort: ({ queries }) => queries, cell: ({ queries }) => number(queries) },
                { name: "ms", head: t("latency"), right: true, sort: ({ ms }) => ms, cell: ({ ms }) => duration(ms) },
              ]} />
            </Panel>
            <Panel title={t("queues")} note={t("queues.note")}>
              <DataTable caption={t("queues")} rows={pick(reading, "twinset_gate_running")} id={({ labels }) => labels.gate ?? ""} empty="–" columns={[
                { name: "gate", head: t("queue"), cell: ({ labels }) => word(`status.${labels.gate}`, labels.gate ?? "") },
                { name: "running", head: t("overview.running"), right: true, cell: ({ value }) => number(value) },
                { name: "waiting", head: t("waiting"), right: true, cell: ({ labels }) => number(sum(reading, "twinset_gate_waiting", { gate: labels.gate ?? "" }) ?? 0) },
                { name: "refused", head: t("refusals"), right: true, cell: ({ labels }) => number(sum(reading, "twinset_gate_refused_total", { gate: labels.gate ?? "" }) ?? 0) },
              ]} />
            </Panel>
            <Panel title={t("backup")} note={t("backup.note")} actions={<button class="button small" onClick={() => void start(`${at(catalogue)}/snapshots`)}>{t("backup.now")}</button>}>
              <DataTable caption={t("backup")} rows={snapshots} id={({ file }) => file} empty={t("backup.none")} columns={[
                { name: "file", head: t("name"), sort: ({ file }) => file, cell: ({ file }) => <code>{file}</code> },
                { name: "at", head: t("time"), sort: ({ at }) => at, cell: ({ at }) => <When at={at} /> },
                { name: "size", head: t("size"), right: true, sort: (one) => one.bytes, cell: (one) => bytes(one.bytes) },
              ]} />
              <pre class="commands" tabIndex={0}><code>{`twinset snapshot create --catalogue ${catalogue}\ntwinset snapshot restore FILE --catalogue NEW`}</code></pre>
            </Panel>
            {asking && (
              <Confirm
                title={t(asking)} act={t(asking)} onClose={() => setAsking(null)} onAct={() => start(`${path}:${asking}`)}
                // An estimate from what a picture took so far would be of another machine's load: the count is what is known.
                text={plural(asking === "verify" ? "verify.text" : "rebuild.text", status.items)}
              />
            )}
          </>
        );
      }}
    </Shown>
  );
}
