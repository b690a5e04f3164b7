/** Charts as SVG, drawn here; each has its numbers as a table below it. Lines differ by dash as well as by colour. */
import { useMemo, useState } from "preact/hooks";
import { t } from "./words";

export interface Series { name: string; points: [number, number][] }

interface LineProps {
  title: string;
  series: Series[];
  /** Shown at the axis and in the table. */
  x: (value: number) => string;
  y: (value: number) => string;
  /** The y axis starts at 0 unless the values are far from it on purpose (recall). */
  from?: number;
  xName: string;
}

const [W, H, LEFT, BOTTOM, TOP, RIGHT] = [640, 220, 56, 26, 10, 12];

/** From at most `low` to at least `high` in round steps: 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, wanted = 4): number[] {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((size) => size >= rough) ?? rough;
  const out: number[] = [];
  for (let at = Math.floor(low / step) * step; at < high + step * (1 - 1e-6); at += step) out.push(Number(at.toPrecision(12)));
  return out;
}

export function Lines({ title, series, x, y, from = 0, xName }: LineProps) {
  const shown = series.filter(({ points }) => points.length > 0);
  const all = shown.flatMap(({ points }) => points);
  const rows = useMemo(() => [...new Set(all.map(([at]) => at))].sort((a, b) => a - b), [series]);
  if (all.length === 0) return <figure class="chart"><figcaption><strong>{title}</strong></figcaption><p class="quiet">{t("chart.empty")}</p></figure>;
  const [x0, x1] = [Math.min(...all.map(([at]) => at)), Math.max(...all.map(([at]) => at))];
  const most = Math.max(...all.map(([, value]) => value));
  const top = most > from ? most : from + 1;
  const marks = ticks(from, top);
  const y1 = Math.max(top, marks[marks.length - 1] ?? top);
  const px = (at: number) => LEFT + ((at - x0) / (x1 - x0 || 1)) * (W - LEFT - RIGHT);
  const py = (value: number) => H - BOTTOM - ((value - from) / (y1 - from || 1)) * (H - BOTTOM - TOP);
  const ends = [...new Set([x0, (x0 + x1) / 2, x1])];
  return (
    <figure class="chart">
      <figcaption>
        <strong>{title}</strong>
        {shown.length > 1 && <span class="legend">{shown.map(({ name }, at) => <span key={name} class={`key line-${at}`}>{name}</span>)}</span>}
      </figcaption>
      <svg viewBox={`0 0 ${W} ${H}`} role="img" aria-label={title}>
        {marks.map((mark) => (
          <g key={mark}><line class="rule" x1={LEFT} x2={W - RIGHT} y1={py(mark)} y2={py(mark)} /><text x={LEFT - 8} y={py(mark) + 4} text-anchor="end">{y(mark)}</text></g>
        ))}
        {ends.map((at, n) => <text key={at} x={px(at)} y={H - 6} text-anchor={n === 0 ? "start" : at === x1 ? "end" : "middle"}>{x(at)}</text>)}
        {shown.map(({ name, points }, at) => points.length === 1
          ? <circle key={name} class={`dot line-${at}`} cx={px(points[0]![0])} cy={py(points[0]![1])} r="3.5" />
          : <polyline key={name} class={`line line-${at}`} points={points.map(([a, b]) => `${px(a).toFixed(1)},${py(b).toFixed(1)}`).join(" ")} />)}
      </svg>
      <Numbers caption={title} heads={[xName, ...shown.map(({ name }) => name)]}
        rows={rows.map((at) => [x(at), ...shown.map(({ points }) => { const found = points.find(([a]) => a === at); return found ? y(found[1]) : "–"; })])} />
    </figure>
  );
}

export interface Bar { name: string; value: number; low?: number; high?: number }

/** Bars from 0, with their 95% intervals as whiskers. */
export function Bars({ title, bars, y, most, name }: { title: string; bars: Bar[]; y: (value: number) => string; most?: number; name: string }) {
  if (bars.length === 0) return <p class="quiet">{t("chart.empty")}</p>;
  const top = most ?? Math.max(...bars.map(({ value, high }) => high ?? value), 1e-9);
  const row = 30;
  const px = (value: number) => 170 + (Math.min(top, value) / top) * (W - 170 - 84);
  return (
    <figure class="chart">
      <figcaption><strong>{title}</strong></figcaption>
      <svg viewBox={`0 0 ${W} ${bars.length * row + 4}`} role="img" aria-label={title}>
        {bars.map(({ name: label, value, low, high }, at) => {
          const mid = at * row + row / 2;
          return (
            <g key={label}>
              <text x="162" y={mid + 4} text-anchor="end">{label.length > 24 ? `${label.slice(0, 23)}…` : label}</text>
              <rect class="bar-fill" x="170" y={mid - 8} width={Math.max(1, px(value) - 170)} height="16" rx="3" />
              {low !== undefined && high !== undefined && <path class="whisker" d={`M${px(low)} ${mid}H${px(high)}M${px(low)} ${mid - 5}V${mid + 5}M${px(high)} ${mid - 5}V${mid + 5}`} />}
              <text x={px(high ?? value) + 8} y={mid + 4}>{y(value)}</text>
            </g>
          );
        })}
      </svg>
      <Numbers caption={title} heads={[name, t("chart.value"), ...(bars.some(({ low }) => low !== undefined) ? [t("chart.interval")] : [])]}
        rows={bars.map(({ name: label, value, low, high }) => [label, y(value), ...(low !== undefined && high !== undefined ? [`${y(low)} – ${y(high)}`] : bars.some((one) => one.low !== undefined) ? ["–"] : [])])} />
    </figure>
  );
}

function Numbers({ caption, heads, rows }: { caption: string; heads: string[]; rows: string[][] }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="numbers" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("chart.numbers")}</summary>
      {open && (
        <div class="wide" tabIndex={0} role="group" aria-label={caption}>
          <table>
            <caption class="sr">{caption}</caption>
            <thead><tr>{heads.map((head, at) => <th key={head} scope="col" class={at ? "right" : ""}>{head}</th>)}</tr></thead>
            <tbody>{rows.map((cells) => <tr key={cells[0]}>{cells.map((cell, at) => (at ? <td key={at} class="right">{cell}</td> : <th key={at} scope="row">{cell}</th>))}</tr>)}</tbody>
          </table>
        </div>
      )}
    </details>
  );
}
