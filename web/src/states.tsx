/** What is said when there are no results to show: each state in words, with the next step. */
import { useEffect, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import type { Problem } from "./api";
import { plural, t, type Key } from "./i18n";

export function Notice({ title, text, children, alert = false }: { title: string; text?: string; children?: ComponentChildren; alert?: boolean }) {
  return (
    <div class="notice" role={alert ? "alert" : undefined}>
      <svg viewBox="0 0 64 64" aria-hidden="true"><rect x="8" y="8" width="34" height="34" rx="9" /><rect class="dashed" x="22" y="22" width="34" height="34" rx="9" /></svg>
      <h2>{title}</h2>
      {text && <p>{text}</p>}
      {children}
    </div>
  );
}

/** The server's problem codes, and our own for what happens before it is reached, as keys of the language files. */
const SAID: Record<string, string> = {
  not_a_picture: "not_a_picture", picture_unreadable: "not_a_picture", picture_format: "not_a_picture",
  heic: "heic", picture_too_large: "too_large", body_too_large: "too_large",
  link: "link", unauthorized: "closed", forbidden: "closed", key_missing: "closed", http_401: "closed", http_403: "closed",
  offline: "offline", unreachable: "unreachable", busy: "busy", timeout: "busy", snapshot_not_reached: "busy",
  catalogue_not_found: "no_catalogue", model_not_loaded: "model",
  gone: "gone", product_not_found: "gone", example_not_found: "gone", image_not_found: "gone",
};
const AGAIN = new Set(["offline", "unreachable", "busy", "model", "error"]);

interface Props { problem: Problem; onRetry: () => void; onNew: () => void }

export function Trouble({ problem, onRetry, onNew }: Props) {
  const state = SAID[problem.code] ?? "error";
  const again = AGAIN.has(state);
  const [left, setLeft] = useState(problem.retryAfter ?? 0);

  useEffect(() => {
    if (left <= 0) return;
    const timer = setTimeout(() => { if (left === 1) onRetry(); setLeft(left - 1); }, 1000);
    return () => clearTimeout(timer);
  }, [left]);
  useEffect(() => {
    if (state !== "offline") return;
    addEventListener("online", onRetry);
    return () => removeEventListener("online", onRetry);
  }, [state, onRetry]);

  const how = state === "no_catalogue" ? "state.empty.how" : `state.${state}.how`;
  return (
    <Notice alert title={t(`state.${state}` as Key)} text={t(how as Key, { mb: 20, mp: 50 })}>
      {state === "no_catalogue" && <Fill />}
      {left > 0 && <p class="quiet">{plural("retry.in", left)}</p>}
      <p class="actions">
        {again && <button class="button primary" onClick={onRetry}>{t("retry")}</button>}
        <button class={again ? "button" : "button primary"} onClick={onNew}>{t("new")}</button>
      </p>
      {problem.request && <p class="quiet"><code>{t("state.id", { id: problem.request })}</code></p>}
    </Notice>
  );
}

/** The commands that fill a catalogue. */
export const Fill = ({ catalogue = "main" }: { catalogue?: string }) => (
  <pre class="commands"><code>{`twinset import PICTURES --catalogue ${catalogue}\ntwinset sync feed.xml --catalogue ${catalogue}`}</code></pre>
);
