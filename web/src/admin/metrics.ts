/** The text format of Prometheus, read for the overview: rates and quantiles between two readings. */
import { call } from "../api";

export interface Sample { name: string; labels: Record<string, string>; value: number }
export interface Reading { at: number; samples: Sample[] }

export function parse(text: string): Sample[] {
  const out: Sample[] = [];
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name!] = value!.replaceAll('\\"', '"').replaceAll("\\\\", "\\");
    out.push({ name: found[1]!, labels, value: found[3] === "+Inf" ? Infinity : Number(found[3]) });
  }
  return out;
}

export const readMetrics = async (path: string): Promise<Reading> => ({ at: Date.now(), samples: parse(await (await call(path)).text()) });

export const pick = (reading: Reading, name: string, labels: Record<string, string> = {}): Sample[] =>
  reading.samples.filter((one) => one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value));

export const sum = (reading: Reading, name: string, labels: Record<string, string> = {}): number | undefined => {
  const found = pick(reading, name, labels);
  return found.length ? found.reduce((total, { value }) => total + value, 0) : undefined;
};

/**
 * The q-quantile in seconds of what a histogram has counted since `before`, straight between two bounds, as Prometheus
 * does it. Undefined without a count. Above the last bound: the last bound.
 */
export function quantile(now: Reading, before: Reading | undefined, name: string, labels: Record<string, string>, q: number): number | undefined {
  const counts = new Map<number, number>();
  for (const [reading, sign] of [[now, 1], [before, -1]] as const) {
    for (const { labels: { le }, value } of reading ? pick(reading, `${name}_bucket`, labels) : []) {
      const bound = le === "+Inf" ? Infinity : Number(le);
      counts.set(bound, (counts.get(bound) ?? 0) + sign * value);
    }
  }
  const buckets = [...counts].sort(([a], [b]) => a - b);
  const total = buckets[buckets.length - 1]?.[1] ?? 0;
  if (total <= 0) return undefined;
  let [low, below] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= q * total) return bound === Infinity ? low : low + (bound - low) * ((q * total - below) / (count - below || 1));
    [low, below] = [bound, count];
  }
  return low;
}
