/** Index health: how far it is, how well it finds, and what can be done about it. */
import { useState } from "preact/hooks";
import { call } from "../api";
import { number, percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, at, send, useAsked } from "./ask";
import { Confirm, DataTable, Panel, Shown, Stat, Wanting, When } from "./bits";
import { JobDetail, type Job } from "./jobs";
import { pick, readMetrics, sum, type Reading } from "./metrics";
import { bytes, duration, plural, t, word } from "./words";
import type { Problem } from "../api";

interface Segment { name?: string; items?: number; tombstones?: number; bytes?: number }
interface Status {
  state?: string; seq?: number; last_seq?: number; saved_seq?: number; items?: number; unreadable?: number; memory_bytes?: number; file_bytes?: number;
  segments?: Segment[]; recall?: { value: number; at?: string } | null; last_error?: string | null; snapshots?: { name: string; at?: string; bytes?: number }[];
}

/** What the server says of the index; where it has no address for that, what its metrics say. */
async function read(path: string, catalogue: string): Promise<{ status: Status | undefined; reading: Reading }> {
  const [status, reading] = await Promise.all([
    call(path).then((answer) => answer.json() as Promise<Status>, () => undefined),
    readMetrics("/metrics"),
  ]);
  return { status, reading: { ...reading, samples: reading.samples.filter(({ labels }) => labels.catalogue === undefined || labels.catalogue === catalogue) } };
}

export function IndexHealth({ catalogue, say }: PageProps) {
  const path = `${at(catalogue)}/index`;
  const health = useAsked(path, 5000, (address) => read(address, catalogue));
  const [asking, setAsking] = useState<"verify" | "rebuild" | null>(null);
  const [job, setJob] = useState<Job>();
  const [problem, setProblem] = useState<Problem>();
  const start = async (what: "verify" | "rebuild") => {
    setProblem(undefined);
    await send<Job>("POST", `${path}:${what}`).then((made) => { if (made?.id) setJob(made); say({ text: t("started") }); }, (reason) => setProblem(asProblem(reason)));
  };
  const backUp = async () => {
    setProblem(undefined);
    await send<Job>("POST", `${at(catalogue)}/snapshots`).then((made) => { if (made?.id) setJob(made); say({ text: t("started") }); }, (reason) => setProblem(asProblem(reason)));
  };
  return (
    <Shown of={health} what={t("page.index")}>
      {({ status, reading }) => {
        const of = (name: string) => sum(reading, name);
        const durable = status?.last_seq ?? of("twinset_change_durable") ?? 0;
        const searchable = status?.seq ?? of("twinset_change_searchable") ?? 0;
        const saved = status?.saved_seq ?? of("twinset_change_saved") ?? 0;
        const items = status?.items ?? of("twinset_index_items") ?? 0;
        const fresh = of("twinset_freshness_seconds");
        const measured = of("twinset_search_recall_at_10_count") ?? 0;
        const recall = status?.recall?.value ?? (measured ? (of("twinset_search_recall_at_10_sum") ?? 0) / measured : undefined);
        const trouble = status?.last_error ?? ((of("twinset_index_in_trouble") ?? 0) > 0 ? t("index.trouble") : undefined);
        const work = of("twinset_pictures_computed");
        return (
          <>
            <Panel
              title={t("index.state")} note={trouble ? undefined : t(durable === searchable ? "index.ready" : "index.behind")}
              actions={<><button class="button small" onClick={() => setAsking("verify")}>{t("verify")}</button><button class="button small" onClick={() => setAsking("rebuild")}>{t("rebuild")}</button></>}
            >
              {trouble && <p class="trouble" role="alert">{trouble}</p>}
              {problem && <Wanting problem={problem} what={t("page.index")} />}
              <dl class="stats">
                <Stat name={t("searchable")} value={number(items)} />
                <Stat name={t("behind")} value={durable - searchable > 0 ? number(durable - searchable) : t("behind.none")} note={t("index.of", { n: searchable, total: durable })} />
                {fresh !== undefined && <Stat name={t("index.age")} value={duration(fresh * 1000)} />}
                <Stat name={t("index.recall")} value={recall === undefined ? "–" : percent(recall, 1)} note={measured ? plural("index.sampled", measured) : status?.recall?.at ? <When at={status.recall.at} /> : t("index.unmeasured")} />
                <Stat name={t("index.saved")} value={number(saved)} note={durable - saved > 0 ? plural("index.replay", durable - saved) : t("behind.none")} />
                <Stat name={t("index.unreadable")} value={number(of("twinset_pictures_unreadable") ?? status?.unreadable ?? 0)} tone={(of("twinset_pictures_unreadable") ?? 0) > 0 ? "bad" : undefined} />
                {status?.memory_bytes !== undefined && <Stat name={t("overview.memory")} value={bytes(status.memory_bytes)} note={status.file_bytes !== undefined ? t("index.file", { size: bytes(status.file_bytes) }) : undefined} />}
                {work !== undefined && <Stat name={t("index.computed")} value={number(work)} note={t("index.reused", { n: of("twinset_pictures_reused") ?? 0 })} />}
                {(of("twinset_index_files_quarantined") ?? 0) > 0 && <Stat name={t("index.quarantined")} value={number(of("twinset_index_files_quarantined")!)} tone="bad" />}
              </dl>
              {job && <JobDetail job={job} changed={health.reload} say={say} />}
            </Panel>
            {status?.segments && (
              <Panel title={t("segments")}>
                <DataTable caption={t("segments")} rows={status.segments} id={(one) => one.name ?? ""} empty={t("segments.none")} columns={[
                  { name: "name", head: t("name"), sort: (one) => one.name ?? "", cell: (one) => one.name },
                  { name: "items", head: t("pictures"), right: true, sort: (one) => one.items ?? 0, cell: (one) => number(one.items ?? 0) },
                  { name: "gone", head: t("tombstones"), right: true, sort: (one) => one.tombstones ?? 0, cell: (one) => number(one.tombstones ?? 0) },
                  { name: "bytes", head: t("size"), right: true, sort: (one) => one.bytes ?? 0, cell: (one) => (one.bytes === undefined ? "–" : bytes(one.bytes)) },
                ]} />
              </Panel>
            )}
            <Panel title={t("queues")} note={t("queues.note")}>
              <DataTable caption={t("queues")} rows={pick(reading, "twinset_gate_running")} id={({ labels }) => labels.gate ?? ""} empty="–" columns={[
                { name: "gate", head: t("queue"), cell: ({ labels }) => word(`status.${labels.gate}`, labels.gate ?? "") },
                { name: "running", head: t("overview.running"), right: true, cell: ({ value }) => number(value) },
                { name: "waiting", head: t("waiting"), right: true, cell: ({ labels }) => number(sum(reading, "twinset_gate_waiting", { gate: labels.gate ?? "" }) ?? 0) },
                { name: "refused", head: t("refusals"), right: true, cell: ({ labels }) => number(sum(reading, "twinset_gate_refused_total", { gate: labels.gate ?? "" }) ?? 0) },
              ]} />
            </Panel>
            <Panel title={t("backup")} note={t("backup.note")} actions={<button class="button small" onClick={() => void backUp()}>{t("backup.now")}</button>}>
              {status?.snapshots?.length ? <ul>{status.snapshots.map((one) => <li key={one.name}>{one.name} · <When at={one.at} />{one.bytes !== undefined && ` · ${bytes(one.bytes)}`}</li>)}</ul> : <p class="quiet">{t("backup.none")}</p>}
              <pre class="commands" tabIndex={0}><code>{`twinset snapshot create --catalogue ${catalogue}`}</code></pre>
            </Panel>
            {asking && (
              <Confirm
                title={t(asking)} act={t(asking)} onClose={() => setAsking(null)} onAct={() => start(asking)}
                // An estimate from what a picture took so far would be of another machine's load: the count is what is known.
                text={plural(asking === "verify" ? "verify.text" : "rebuild.text", items)}
              />
            )}
          </>
        );
      }}
    </Shown>
  );
}
