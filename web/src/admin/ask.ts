/** Asking the API from the operator pages: with the operator's key, again and again where things move. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { call, Problem, server } from "../api";

const KEPT = "twinset-admin-key";

/** The key lives in this tab only. */
export function recallKey(): void {
  try {
    server.key = sessionStorage.getItem(KEPT) ?? "";
  } catch {
    // Storage may be forbidden; then every reload asks for the key.
  }
}

export function keepKey(key: string): void {
  server.key = key;
  try {
    if (key) sessionStorage.setItem(KEPT, key);
    else sessionStorage.removeItem(KEPT);
  } catch {
    // See above.
  }
}

export const asProblem = (reason: unknown): Problem => (reason instanceof Problem ? reason : new Problem("error", (reason as Error).message ?? String(reason)));

export const get = async <T>(path: string, init?: RequestInit): Promise<T> => (await call(path, init)).json() as Promise<T>;

export async function send<T>(method: string, path: string, body?: unknown): Promise<T | undefined> {
  const answer = await call(path, body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });
  const text = await answer.text();
  return text ? (JSON.parse(text) as T) : undefined;
}

export const at = (catalogue: string): string => `/v1/catalogues/${encodeURIComponent(catalogue)}`;

/** This server has no such address: an older one, or one built without it. A thing that is missing has a code of its own. */
export const isAbsent = (problem: Problem): boolean => (problem.status === 404 && problem.code === "not_found") || problem.status === 405 || problem.status === 501;

/** It needs a key, or another one. */
export const isRefused = ({ status }: Problem): boolean => status === 401 || status === 403;

/** Whether to offer what goes with an answer: not where the server has no such address, or does not let this key. */
export const isOffered = ({ problem, value }: Asked<unknown>): boolean => value !== undefined || (problem !== undefined && !isAbsent(problem) && !isRefused(problem));

export interface Asked<T> { value: T | undefined; problem: Problem | undefined; at: number; reload: () => void }

/** Reads `path`, and again every `every_ms`; null asks nothing. The last good value stays while a later read fails. */
export function useAsked<T>(path: string | null, every_ms = 0, read: (path: string) => Promise<T> = get): Asked<T> {
  const [state, setState] = useState<{ path: string | null; value: T | undefined; problem: Problem | undefined; at: number }>({ path, value: undefined, problem: undefined, at: 0 });
  const [turn, setTurn] = useState(0);
  const reader = useRef(read);
  reader.current = read;
  useEffect(() => {
    if (path === null) return;
    let here = true;
    let timer = 0;
    const once = () => {
      reader.current(path).then(
        (value) => here && setState({ path, value, problem: undefined, at: Date.now() }),
        (reason) => here && setState((before) => ({ path, value: before.path === path ? before.value : undefined, problem: asProblem(reason), at: Date.now() })),
      ).finally(() => { if (here && every_ms) timer = window.setTimeout(once, document.hidden ? every_ms * 4 : every_ms); });
    };
    once();
    return () => { here = false; clearTimeout(timer); };
  }, [path, every_ms, turn]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const current = state.path === path;
  return { value: current ? state.value : undefined, problem: current ? state.problem : undefined, at: state.at, reload };
}

/** Server-sent events with a key in the header, which EventSource cannot send. Ends with `stop`. */
export function listen(path: string, take: (event: string, data: unknown) => void, ended: (problem?: Problem) => void): () => void {
  const stop = new AbortController();
  void (async () => {
    const answer = await call(path, { signal: stop.signal, headers: { accept: "text/event-stream" } });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        let [name, data] = ["message", ""];
        for (const line of block.split("\n")) {
          if (line.startsWith("event:")) name = line.slice(6).trim();
          if (line.startsWith("data:")) data += line.slice(5).trim();
        }
        if (data) take(name, JSON.parse(data) as unknown);
      }
    }
  })().then(() => ended(), (reason) => { if (!stop.signal.aborted) ended(asProblem(reason)); });
  return () => stop.abort();
}
