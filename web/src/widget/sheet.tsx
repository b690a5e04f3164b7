/** What the widget fetches at first use: the sheet that searches, and the strip of similar articles. */
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { WHOLE } from "../address";
import { call, catalogues, picturePath, Problem, product, search, server, tellFeedback, type Answer, type Box, type Region, type Result } from "../api";
import { plural, speak, t } from "../i18n";
import { Camera as CameraSign, Picture } from "../icons";
import parts from "../parts.css?inline";
import { fromCatalogue, shrink, type Photo } from "../photo";
import { Query, regionName, worthShowing } from "../query";
import { fold, Results, Skeletons, Tile, TileActions, type Actions } from "../results";
import { Sheet as Dialog } from "../sheet";
import { Notice, Trouble } from "../states";
import type { Setting } from "./loader";
import css from "./sheet.css?inline";

const PAGE = 24;

export interface Sheet { open: (setting: Setting, photo?: Blob | { product: string }) => Promise<void>; close: () => void }
export interface Strip { show: (setting: Setting, product: string, limit: number) => Promise<void> }

// A shop may set the root's font size to anything: inside our shadow a rem is what it was drawn with.
const styles = new CSSStyleSheet();
styles.replaceSync(`${parts}\n${css}`.replace(/([\d.]+)rem/g, (_, rem: string) => `${Number(rem) * 16}px`));

/** Reads the setting, and finds the catalogue where none is named. */
async function ready(host: HTMLElement, place: HTMLElement, setting: Setting): Promise<string> {
  const shadow = host.shadowRoot!;
  if (!shadow.adoptedStyleSheets.includes(styles)) shadow.adoptedStyleSheets = [...shadow.adoptedStyleSheets, styles];
  server.base = setting.base;
  server.key = setting.key;
  await speak(setting.language);
  place.lang = setting.language;
  place.classList.add("tw");
  place.dataset.theme = setting.dark ? "dark" : "light";
  if (setting.catalogue) {
    await call("/healthz"); // a server that is away is noticed before anything opens
    return setting.catalogue;
  }
  const items = await catalogues();
  const first = items.find(({ name }) => name === "main") ?? items[0];
  if (!first) throw new Problem("catalogue_not_found", "there is no catalogue");
  return first.name;
}

const emit = (host: HTMLElement, name: string, detail: unknown, cancelable = false): boolean =>
  host.dispatchEvent(new CustomEvent(`twinset:${name}`, { detail, cancelable, bubbles: true, composed: true }));

/** Tells the shop, and the server that keeps clicks; false: the shop goes its own way. */
const select = (host: HTMLElement, catalogue: string, answer: Answer | null) => (result: Result): boolean => {
  const { id, link } = result.product;
  const rank = (answer?.results.findIndex((one) => one.product.id === id) ?? -1) + 1;
  if (answer?.feedback && rank) tellFeedback(catalogue, answer, result, rank, "click").catch(() => undefined);
  return emit(host, "select", { id, link: link ?? null }, true);
};

/** The sheet of a `<twinset-search>`. It throws what the server's absence throws, so that the element can hide. */
export function sheet(host: HTMLElement, place: HTMLElement): Sheet {
  const close = () => render(null, place);
  return {
    close,
    async open(setting, given) {
      const catalogue = await ready(host, place, setting);
      emit(host, "open", {});
      render(null, place);
      render(<Searching host={host} catalogue={catalogue} given={given} onClose={close} />, place);
    },
  };
}

interface Given { host: HTMLElement; catalogue: string; given: Blob | { product: string } | undefined; onClose: () => void }

function Searching({ host, catalogue, given, onClose }: Given) {
  const [photo, setPhoto] = useState<Photo | null>(null);
  const [regions, setRegions] = useState<Region[] | null>(null);
  const [asked, setAsked] = useState<Box | "all">();
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [results, setResults] = useState<Result[]>([]);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const chooser = useRef<HTMLInputElement>(null);
  const shooter = useRef<HTMLInputElement>(null);

  const take = (from: Blob | { product: string }) => {
    setPhoto(null);
    setRegions(null);
    setAsked(undefined);
    setAnswer(null);
    setResults([]);
    setProblem(null);
    const opened = from instanceof Blob ? shrink(from) : product(catalogue, from.product).then(({ id, images }) =>
      fromCatalogue(id, picturePath(catalogue, id, images?.[0]?.name ?? "main", 1024)));
    opened.then(setPhoto, (reason) => setProblem(reason instanceof Problem ? reason : new Problem("error", String(reason))));
  };
  useEffect(() => { if (given) take(given); }, []);
  useEffect(() => {
    const pasted = (event: ClipboardEvent) => {
      const file = event.clipboardData?.files[0];
      if (file) { event.preventDefault(); take(file); }
    };
    addEventListener("paste", pasted);
    return () => removeEventListener("paste", pasted);
  }, []);

  const ask = (offset: number, detect: boolean, signal: AbortSignal) => search(catalogue, photo!.image, {
    ...(asked ? { region: asked === "all" ? WHOLE : asked } : offset && answer ? { region: answer.searched_box } : {}),
    detect: detect ? (asked ? "on" : "auto") : "off", limit: PAGE, group_by: "group_id", ...(offset ? { offset } : {}),
  }, signal);

  useEffect(() => {
    if (!photo) return;
    const mine = new AbortController();
    setBusy(true);
    setProblem(null);
    ask(0, regions === null, mine.signal).then(
      (got) => {
        if (mine.signal.aborted) return;
        if (regions === null) setRegions(worthShowing(got));
        setAnswer(got);
        setResults(got.results);
        setBusy(false);
        emit(host, "results", { ids: got.results.map((one) => one.product.id), box: got.searched_box });
      },
      (reason) => {
        if (mine.signal.aborted) return;
        setProblem(reason instanceof Problem ? reason : new Problem("error", String(reason)));
        setBusy(false);
      },
    );
    return () => mine.abort();
  }, [photo, JSON.stringify(asked), attempt]);

  const loading = useRef(false);
  const more = answer?.next_offset && !busy ? () => {
    if (loading.current) return;
    loading.current = true;
    ask(answer.next_offset!, false, new AbortController().signal).then(
      (got) => {
        setResults((before) => [...before, ...got.results.filter((one) => !before.some((had) => had.product.id === one.product.id))]);
        setAnswer({ ...answer, next_offset: got.next_offset });
      },
      () => setAnswer({ ...answer, next_offset: null }),
    ).finally(() => { loading.current = false; });
  } : undefined;

  const box = asked === "all" ? WHOLE : asked ?? regions?.find(({ id }) => id === answer?.searched_region)?.box ?? (answer ? WHOLE : undefined);
  const region = box && regions?.find((one) => Math.abs(one.box.x - box.x) + Math.abs(one.box.y - box.y) + Math.abs(one.box.w - box.w) + Math.abs(one.box.h - box.h) < 0.004);
  const chosen = box && box.w > 0.998 && box.h > 0.998 ? "all" : box;
  const name = region && regions ? regionName(regions, region) : chosen === "all" || !chosen ? t("whole") : t("own");
  const actions: Actions = { catalogue, beside: false, onSelect: select(host, catalogue, answer), onSimilar: (id) => take({ product: id }) };

  return (
    <Dialog title={t("title")} kind="finder-sheet" onClose={onClose}>
      <TileActions.Provider value={actions}>
        <div
          class="inner" onDragOver={(event) => event.preventDefault()}
          onDrop={(event) => { event.preventDefault(); const file = event.dataTransfer?.files[0]; if (file) take(file); }}
        >
          {!photo && !problem && !given && (
            <div class="begin" part="begin">
              <p>{t("drop.widget")}</p>
              <button class="button primary big" onClick={() => chooser.current?.click()}><Picture />{t("choose")}</button>
              <button class="button big only-touch" onClick={() => shooter.current?.click()}><CameraSign />{t("take")}</button>
              <p class="quiet small">{t("privacy")}</p>
            </div>
          )}
          <input ref={chooser} class="hidden" type="file" accept="image/*" aria-label={t("choose")} tabIndex={-1} onChange={(event) => { const file = event.currentTarget.files?.[0]; event.currentTarget.value = ""; if (file) take(file); }} />
          <input ref={shooter} class="hidden" type="file" accept="image/*" capture="environment" aria-label={t("take")} tabIndex={-1} onChange={(event) => { const file = event.currentTarget.files?.[0]; event.currentTarget.value = ""; if (file) take(file); }} />
          {photo && (
            <Query
              photo={photo} alt={t("photo")} regions={regions ?? []} chosen={chosen} region={region} busy={busy && regions === null}
              onChoose={setAsked} onReset={asked && !region && regions?.length ? () => setAsked(undefined) : undefined}
            />
          )}
          <div class="found" role="region" aria-label={t("results")} aria-busy={busy}>
            {problem && <Trouble problem={problem} onRetry={() => setAttempt(attempt + 1)} onNew={() => { setProblem(null); setPhoto(null); chooser.current?.click(); }} key={problem.request ?? problem.code} />}
            {!problem && (busy || (!photo && given)) && <Skeletons count={8} />}
            {!problem && !busy && answer && (
              <>
                <div class="line">
                  <p><strong>{name}</strong> <span class="quiet" role="status">{plural("count", results.length)}</span></p>
                  <button class="button small" onClick={() => chooser.current?.click()}><Picture />{t("new")}</button>
                </div>
                {results.length === 0 && <Notice title={t("state.none")} text={t("state.weak.how")} />}
                {results.length > 0 && results.every((one) => one.tier === "weak") && <p class="hint">{t("state.weak")}. {t("state.weak.how")}</p>}
                <Results results={results} heading={t("similar")} sorted={false} more={more} />
              </>
            )}
          </div>
        </div>
      </TileActions.Provider>
    </Dialog>
  );
}

/** The strip of a `<twinset-similar>`: nothing where there is nothing to show. */
export function strip(host: HTMLElement, place: HTMLElement): Strip {
  return {
    async show(setting, id, limit) {
      const catalogue = await ready(host, place, setting);
      // Asked for a few more: the article itself and its variants are no recommendation.
      const answer = await search(catalogue, id, { detect: "auto", limit: Math.min(100, limit + 12), group_by: "group_id" }, new AbortController().signal);
      const own = answer.results.find((one) => one.product.id === id)?.product;
      const others = answer.results.filter(({ product: one, tier }) => one.id !== id && tier !== "weak" && (!own?.group_id || one.group_id !== own.group_id));
      const shown = fold(others).slice(0, limit);
      host.hidden = shown.length === 0;
      emit(host, "results", { ids: shown.map((one) => one.product.id), box: answer.searched_box });
      const actions: Actions = { catalogue, beside: false, onSelect: select(host, catalogue, answer) };
      render(
        <TileActions.Provider value={actions}>
          <section aria-labelledby="heading">
            <h2 id="heading" part="heading">{host.getAttribute("heading") ?? t("similar.articles")}</h2>
            <ul class="row" part="row">{shown.map((result) => <Tile key={result.product.id} result={result} eager={false} />)}</ul>
          </section>
        </TileActions.Provider>,
        place,
      );
    },
  };
}
