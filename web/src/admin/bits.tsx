/** What every operator page is made of. */
import { Fragment, type ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Problem } from "../api";
import { Close } from "../icons";
import { isAbsent, type Asked } from "./ask";
import { ago, clock, t, type Key } from "./words";

export function Panel({ title, note, actions, children }: { title: string; note?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="panel" aria-label={title}>
      <header><div><h2>{title}</h2>{note && <p class="quiet">{note}</p>}</div>{actions && <div class="acts">{actions}</div>}</header>
      {children}
    </section>
  );
}

/** Where a value is not there: still asked for, not offered by this server, not allowed, or failed. */
export function Wanting({ problem, reload, what }: { problem: Problem | undefined; reload?: (() => void) | undefined; what: string }) {
  if (!problem) return <p class="quiet pending">{t("loading")}</p>;
  if (isAbsent(problem)) return <p class="absent"><strong>{t("absent", { what })}</strong> {t("absent.how")}</p>;
  const refused = problem.status === 401 || problem.status === 403;
  return (
    <div class="trouble" role="alert">
      <p><strong>{t(refused ? "refused" : "failed", { what })}</strong> {refused ? t("refused.how") : problem.detail}</p>
      {problem.request && <p class="quiet"><code>{t("request", { id: problem.request })}</code></p>}
      {reload && <button class="button small" onClick={reload}>{t("retry")}</button>}
    </div>
  );
}

/** The children of a value once it is there; a later failure stands above the last good value. */
export function Shown<T>({ of, what, children }: { of: Asked<T>; what: string; children: (value: T) => ComponentChildren }) {
  if (of.value === undefined) return <Wanting problem={of.problem} reload={of.reload} what={what} />;
  return <>{of.problem && <Wanting problem={of.problem} reload={of.reload} what={what} />}{children(of.value)}</>;
}

export function Stat({ name, value, note, tone }: { name: string; value: ComponentChildren; note?: ComponentChildren; tone?: "good" | "bad" | undefined }) {
  return <div class="stat" data-tone={tone}><dt>{name}</dt><dd><strong>{value}</strong>{note && <span class="quiet">{note}</span>}</dd></div>;
}

export const When = ({ at }: { at: string | number | null | undefined }) => {
  if (at === null || at === undefined || at === "") return <>–</>;
  const then = typeof at === "number" ? at : Date.parse(at);
  if (!Number.isFinite(then)) return <>{at}</>;
  return <time dateTime={new Date(then).toISOString()} title={clock(then)}>{ago(then)}</time>;
};

export const State = ({ of }: { of: string }) => <span class="state" data-state={of}>{t(`job.${of}` as Key)}</span>;

export function Bar({ done, total, label }: { done: number; total: number | null | undefined; label: string }) {
  return <progress class="progress" aria-label={label} max={total || 1} value={total ? Math.min(done, total) : undefined} />;
}

export interface Column<Row> {
  name: string;
  head: string;
  cell: (row: Row) => ComponentChildren;
  /** What rows are ordered by; a column without it cannot be sorted by. */
  sort?: (row: Row) => string | number;
  right?: boolean;
}

interface TableProps<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  id: (row: Row) => string;
  empty: string;
  /** Opened below its row. */
  detail?: ((row: Row) => ComponentChildren) | undefined;
}

export function DataTable<Row>({ caption, columns, rows, id, empty, detail }: TableProps<Row>) {
  const [by, setBy] = useState<{ name: string; down: boolean } | null>(null);
  const [open, setOpen] = useState<string | null>(null);
  const ordered = useMemo(() => {
    const sort = columns.find(({ name }) => name === by?.name)?.sort;
    if (!sort || !by) return rows;
    return [...rows].sort((a, b) => {
      const [x, y] = [sort(a), sort(b)];
      return (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true })) * (by.down ? -1 : 1);
    });
  }, [rows, by, columns]);
  if (rows.length === 0) return <p class="quiet">{empty}</p>;
  return (
    <div class="wide" tabIndex={0} role="group" aria-label={caption}>
      <table>
        <caption class="sr">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ name, head, sort, right }) => (
              <th key={name} scope="col" class={right ? "right" : ""} aria-sort={by?.name === name ? (by.down ? "descending" : "ascending") : undefined}>
                {sort ? <button onClick={() => setBy({ name, down: by?.name === name && !by.down })}>{head}<span aria-hidden="true">{by?.name === name ? (by.down ? " ↓" : " ↑") : ""}</span></button> : head}
              </th>
            ))}
            {detail && <th scope="col"><span class="sr">{t("details")}</span></th>}
          </tr>
        </thead>
        <tbody>
          {ordered.map((row) => {
            const key = id(row);
            return (
              <Fragment key={key}>
                <tr>
                  {columns.map(({ name, cell, right }) => <td key={name} class={right ? "right" : ""}>{cell(row)}</td>)}
                  {detail && <td class="right"><button class="button small" aria-expanded={open === key} onClick={() => setOpen(open === key ? null : key)}>{t(open === key ? "less" : "details")}<span class="sr"> {key}</span></button></td>}
                </tr>
                {detail && open === key && <tr class="opened"><td colSpan={columns.length + 1}>{detail(row)}</td></tr>}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

interface ConfirmProps { title: string; text: string; act: string; onAct: () => Promise<unknown>; onClose: () => void; type?: string; children?: ComponentChildren }

/** Says what will be touched and how many of it, before it is. `type`: a name to be typed first, where nothing brings it back. */
export function Confirm({ title, text, act, onAct, onClose, type, children }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    return () => before?.focus?.();
  }, []);
  const run = (event: Event) => {
    event.preventDefault();
    setBusy(true);
    onAct().then(onClose, (reason: Problem) => { setProblem(reason); setBusy(false); });
  };
  return (
    <dialog ref={dialog} class="confirm" aria-label={title} onClose={onClose}>
      <form onSubmit={run}>
        <header><h2>{title}</h2><button type="button" class="round" aria-label={t("close")} onClick={() => dialog.current?.close()}><Close /></button></header>
        <p>{text}</p>
        {children}
        {type && <label class="field"><span>{t("confirm.type", { name: type })}</span><input value={typed} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} /></label>}
        {problem && <Wanting problem={problem} what={act} />}
        <footer>
          <button type="button" class="button" onClick={() => dialog.current?.close()}>{t("cancel")}</button>
          <button class="button primary" disabled={busy || (type !== undefined && typed !== type)}>{act}</button>
        </footer>
      </form>
    </dialog>
  );
}

/** A message that goes by itself, with a way back where there is one. */
export interface Said { text: string; undo?: (() => Promise<unknown>) | undefined }

export function Toast({ said, onGone }: { said: Said | null; onGone: () => void }) {
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(onGone, said.undo ? 15_000 : 5000);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <div class={said ? "toast is-shown" : "toast"} role="status">
      {said?.text}
      {said?.undo && <button onClick={() => void said.undo!().finally(onGone)}>{t("undo")}</button>}
    </div>
  );
}

export function saveAs(name: string, kind: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** RFC 4180; a cell that a spreadsheet would run as a formula is disarmed. */
export const csv = (rows: (string | number)[][]): string =>
  rows.map((cells) => cells.map((cell) => {
    const text = /^[=+@\t-]/.test(String(cell)) && typeof cell !== "number" ? `'${cell}` : String(cell);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }).join(",")).join("\r\n") + "\r\n";
