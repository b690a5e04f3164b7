/** Overview: how large, how busy, how fast, how fresh, and what needs a hand. */
import { useEffect, useState } from "preact/hooks";
import type { Ready, Version } from "../schema";
import { call } from "../api";
import { number } from "../speech";
import type { PageProps } from "./admin";
import { useAsked } from "./ask";
import { Panel, Shown, Stat } from "./bits";
import { Lines } from "./chart";
import { pick, quantile, readMetrics, sum, type Reading } from "./metrics";
import { bytes, duration, plural, t } from "./words";

const EVERY_MS = 5000;
const KEPT = 120;
const SEARCH = { route: "/v1/catalogues/{catalogue}/search" };

/** /readyz answers 503 with the same words when something is missing. */
const readyz = async (path: string): Promise<Ready> => {
  const answer = await fetch(path);
  return answer.status === 503 || answer.ok ? ((await answer.json()) as Ready) : ((await call(path)).json() as Promise<Ready>);
};

const latency = (seconds: number | undefined) => (seconds === undefined ? "–" : duration(seconds * 1000));

/** The stages of a histogram that have been passed, with their quantiles. */
function Stages({ now, of, title }: { now: Reading; of: string; title: string }) {
  const passed = pick(now, `${of}_count`).filter(({ value }) => value > 0);
  if (passed.length === 0) return null;
  return (
    <div class="wide" tabIndex={0} role="group" aria-label={title}>
      <table>
        <caption class="table-title">{title}</caption>
        <thead><tr><th scope="col">{t("stage")}</th><th scope="col" class="right">{t("count")}</th><th scope="col" class="right">p50</th><th scope="col" class="right">p95</th><th scope="col" class="right">p99</th></tr></thead>
        <tbody>
          {passed.map(({ labels: { stage = "" }, value }) => (
            <tr key={stage}>
              <th scope="row">{stage}</th><td class="right">{number(value)}</td>
              {[0.5, 0.95, 0.99].map((share) => <td key={share} class="right">{latency(quantile(now, undefined, of, { stage }, share))}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Overview({ all }: PageProps) {
  const metrics = useAsked<Reading>("/metrics", EVERY_MS, readMetrics);
  const ready = useAsked<Ready>("/readyz", EVERY_MS * 2, readyz);
  const version = useAsked<Version>("/version");
  const [readings, setReadings] = useState<Reading[]>([]);
  useEffect(() => { if (metrics.value) setReadings((before) => [...before, metrics.value!].slice(-KEPT)); }, [metrics.value]);

  const now = metrics.value;
  const of = (name: string, catalogue: string) => now && sum(now, name, { catalogue });
  const pairs = readings.slice(1).map((reading, n) => [readings[n]!, reading] as const);
  const rate = (before: Reading, after: Reading): number => {
    const [a, b] = [sum(before, "twinset_http_request_seconds_count", SEARCH) ?? 0, sum(after, "twinset_http_request_seconds_count", SEARCH) ?? 0];
    return Math.max(0, ((b - a) / Math.max(1, after.at - before.at)) * 60_000);
  };
  const since = readings.length > 1 ? readings[0] : undefined;
  // Where nobody has searched since the page was opened: since the server started.
  const q = (share: number) => now && (quantile(now, since, "twinset_http_request_seconds", SEARCH, share) ?? quantile(now, undefined, "twinset_http_request_seconds", SEARCH, share));
  const memory = now && sum(now, "process_resident_memory_bytes");
  const disk = now && sum(now, "twinset_disk_bytes");
  const warnings = ready.value ? warned(ready.value, now) : [];
  const minutes = (at: number) => t("ago.s", { n: Math.round((Date.now() - at) / 1000) });

  return (
    <>
      <Panel title={t("overview.state")}>
        <Shown of={ready} what="/readyz">
          {() => warnings.length === 0
            ? <p class="fine">{t("overview.fine")}</p>
            : <ul class="warnings">{warnings.map((text) => <li key={text}>{text}</li>)}</ul>}
        </Shown>
      </Panel>
      <Panel title={t("overview.load")} note={t("overview.load.note")}>
        <Shown of={metrics} what="/metrics">
          {() => (
            <>
              <dl class="stats">
                <Stat name={t("overview.searches")} value={since ? number(rate(since, now!), { maximumFractionDigits: 1 }) : "–"} note={t("per.minute")} />
                <Stat name="p50" value={latency(q(0.5))} />
                <Stat name="p95" value={latency(q(0.95))} />
                <Stat name="p99" value={latency(q(0.99))} />
                <Stat name={t("overview.running")} value={number(sum(now!, "twinset_gate_running") ?? 0)} note={t("overview.waiting", { n: sum(now!, "twinset_gate_waiting") ?? 0 })} />
                {memory !== undefined && <Stat name={t("overview.memory")} value={bytes(memory)} />}
                {disk !== undefined && <Stat name={t("overview.disk")} value={bytes(disk)} />}
              </dl>
              <div class="two">
                <Lines title={t("overview.searches.chart")} xName={t("time")} x={minutes} y={(value) => number(value, { maximumFractionDigits: 1 })}
                  series={[{ name: t("overview.searches"), points: pairs.map(([before, after]) => [after.at, rate(before, after)]) }]} />
                <Lines title={t("overview.latency.chart")} xName={t("time")} x={minutes} y={(value) => duration(value)}
                  series={[0.5, 0.95, 0.99].map((share) => ({
                    name: `p${share * 100}`,
                    points: pairs.flatMap(([before, after]): [number, number][] => {
                      const value = quantile(after, before, "twinset_http_request_seconds", SEARCH, share);
                      return value === undefined ? [] : [[after.at, value * 1000]];
                    }),
                  }))} />
              </div>
              <Stages now={now!} of="twinset_search_stage_seconds" title={t("overview.stages")} />
              <Stages now={now!} of="twinset_change_stage_seconds" title={t("overview.changes")} />
            </>
          )}
        </Shown>
      </Panel>
      <Panel title={t("overview.catalogues")}>
        {all.length === 0 && <p class="quiet">{t("overview.none")}</p>}
        {all.length > 0 && (
          <div class="wide" tabIndex={0} role="group" aria-label={t("overview.catalogues")}>
            <table>
              <caption class="sr">{t("overview.catalogues")}</caption>
              <thead><tr><th scope="col">{t("catalogue")}</th><th scope="col" class="right">{t("products")}</th><th scope="col" class="right">{t("pictures")}</th><th scope="col" class="right">{t("searchable")}</th><th scope="col" class="right">{t("behind")}</th></tr></thead>
              <tbody>
                {all.map(({ name, counts, change, snapshot }) => {
                  const behind = (of("twinset_change_durable", name) ?? change) - (of("twinset_change_searchable", name) ?? snapshot);
                  return (
                    <tr key={name}>
                      <th scope="row">{name}</th><td class="right">{number(of("twinset_products", name) ?? counts.products)}</td>
                      <td class="right">{number(of("twinset_pictures", name) ?? counts.pictures)}</td>
                      <td class="right">{now ? number(of("twinset_index_items", name) ?? 0) : "–"}</td>
                      <td class="right">{behind <= 0 ? t("behind.none") : plural("changes", behind)}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
      <Shown of={version} what="/version">
        {({ version: text, limits }) => (
          <Panel title={t("overview.limits")} note={`Twinset ${text}`}>
            <dl class="stats small">
              <Stat name={t("limit.picture")} value={bytes(limits.picture_bytes)} note={t("megapixels", { n: Math.round(limits.picture_pixels / 1e6) })} />
              <Stat name={t("limit.body")} value={bytes(limits.body_bytes)} />
              <Stat name={t("limit.results")} value={number(limits.results)} />
              <Stat name={t("limit.time")} value={duration(limits.request_timeout_ms)} />
            </dl>
          </Panel>
        )}
      </Shown>
    </>
  );
}

/** What needs a hand, in words with the next step. */
function warned(ready: Ready, now: Reading | undefined): string[] {
  const out = [...ready.missing, ...ready.notes];
  if (!now) return out;
  for (const { labels, value } of pick(now, "twinset_pictures_unreadable")) {
    if (value > 0) out.push(plural("warn.unreadable", value, { catalogue: labels.catalogue ?? "" }));
  }
  const waiting = sum(now, "twinset_gate_waiting") ?? 0;
  if (waiting > 8) out.push(t("warn.waiting", { n: waiting }));
  const refused = pick(now, "twinset_http_requests_total").filter(({ labels }) => labels.status === "503" || labels.status === "429").reduce((total, { value }) => total + value, 0);
  if (refused > 0) out.push(plural("warn.refused", refused));
  return out;
}
