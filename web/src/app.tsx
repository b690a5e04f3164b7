/** The search page: the address says what is asked, this brings photo, answer and address together. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { expression, isFiltered, LISTS, NO_FILTERS, read, readLink, START, WHOLE, write, type Address, type Filters, type Source } from "./address";
import { catalogues, picturePath, Problem, product, search, tellFeedback, type Answer, type Box, type Opinion, type Region, type Result } from "./api";
import { Camera } from "./camera";
import { FilterBar, type Facets } from "./filters";
import { language, LANGUAGES, plural, settle, speak, t, type Language } from "./i18n";
import { Camera as CameraSign, Down, Link, Mark, Picture } from "./icons";
import { fromAddress, fromCatalogue, fromLink, keep, linkData, recall, shrink, type Photo } from "./photo";
import { CropThumb, Query, regionName, worthShowing } from "./query";
import { amountOf, Results, Skeletons, TileActions, type Actions, type Folded } from "./results";
import { Start } from "./start";
import { Fill, Notice, Trouble } from "./states";
import { Why } from "./why";
import { Words } from "./words";

const PAGE = 24;
const SORTED_PAGE = 96;
const FAR = 1000; // the API's last offset

const asProblem = (reason: unknown): Problem => (reason instanceof Problem ? reason : new Problem("error", String(reason)));
const near = (a: Box, b: Box): boolean => (["x", "y", "w", "h"] as const).every((side) => Math.abs(a[side] - b[side]) < 0.002);

async function open(source: Source, catalogue: string): Promise<Photo | null> {
  switch (source.kind) {
    case "none": return null;
    case "photo": return recall(source.key);
    case "link": return fromLink(source.data);
    case "example": return fromAddress(`/v1/catalogues/${encodeURIComponent(catalogue)}/examples/${encodeURIComponent(source.id)}/content`);
    case "product": {
      const { images } = await product(catalogue, source.id);
      const first = images?.[0];
      if (!first) throw new Problem("image_not_found", "the product has no picture");
      return fromCatalogue(source.id, picturePath(catalogue, source.id, first.name ?? "main", 1024));
    }
  }
}

export function App() {
  const [address, setAddress] = useState<Address>(() => read(location));
  const [main, setMain] = useState<{ name: string; products: number; texts: string | undefined; reads: boolean } | null>();
  const [photo, setPhoto] = useState<Photo | null>(null);
  const [regions, setRegions] = useState<Region[] | null>(null);
  /** What the server chose to search when nothing was asked for. */
  const [meant, setMeant] = useState<Box>();
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [results, setResults] = useState<Result[]>([]);
  const [baseFacets, setBaseFacets] = useState<Facets>({});
  const [phase, setPhase] = useState<"idle" | "searching" | "done" | "cancelled">("idle");
  /** The question that the results on the page answer; an effect asks the next one a moment after the address changed. */
  const [answered, setAnswered] = useState("");
  const [slow, setSlow] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [attempt, setAttempt] = useState(0);
  const [weakShown, setWeakShown] = useState(false);
  const [why, setWhy] = useState<Folded | null>(null);
  const [opinions, setOpinions] = useState<Record<string, Opinion>>({});
  const [camera, setCamera] = useState(false);
  const [dragging, setDragging] = useState(false);
  const [said, setSaid] = useState("");
  const [toast, setToast] = useState("");
  const [, setTongue] = useState<Language>(language);
  const running = useRef<AbortController | null>(null);

  const catalogue = address.catalogue ?? main?.name;
  const sourceText = JSON.stringify(address.source);
  /** Words for a model that reads none are left out. Whether it does is not known before the catalogue is. */
  const words = main?.reads ? address.words : undefined;
  const waiting = main === undefined && address.words !== undefined;
  const wordsOnly = address.source.kind === "none" && words !== undefined;
  /** What is searched for, given the name of the part of the photo. */
  const named = (part: string) => (words === undefined ? part : [...(wordsOnly ? [] : [part]), t("words.said", { words })].join(" · "));

  // ---- where we are ----
  const go = useCallback((next: Address, replace = false) => {
    const place = write(next);
    if (replace) history.replaceState(null, "", place);
    else history.pushState(null, "", place);
    setAddress(next);
  }, []);
  useEffect(() => {
    const back = () => { setWhy(null); setAddress(read(location)); };
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);

  // ---- which catalogue ----
  useEffect(() => {
    catalogues().then(
      (items) => {
        const first = items.find(({ name }) => name === "main") ?? items[0];
        const shown = items.find(({ name }) => name === address.catalogue) ?? first;
        const languages = shown?.settings.languages;
        setMain(first ? { name: first.name, products: first.counts.products, texts: languages?.length === 1 ? languages[0] : undefined, reads: shown?.reads_words ?? false } : null);
        if (!first) setProblem(new Problem("catalogue_not_found", "there is no catalogue"));
      },
      (reason) => setProblem(asProblem(reason)),
    );
  }, [attempt]);

  // ---- the photo ----
  useEffect(() => {
    if (!catalogue) return;
    let here = true;
    setPhoto(null);
    setRegions(null);
    setMeant(undefined);
    setAnswer(null);
    setResults([]);
    setBaseFacets({});
    setOpinions({});
    setProblem(null);
    setWhy(null);
    setPhase(address.source.kind === "none" ? "idle" : "searching");
    if (address.source.kind !== "none") scrollTo({ top: 0 });
    open(address.source, catalogue).then(
      (opened) => here && setPhoto(opened),
      (reason) => { if (here) { setProblem(asProblem(reason)); setPhase("done"); } },
    );
    return () => { here = false; };
  }, [sourceText, catalogue]);

  // ---- the search ----
  const sorted = address.sort !== "similarity";
  const query = useCallback(async (offset: number, signal: AbortSignal, box: Address["box"], detect: boolean) => {
    const got = await search(catalogue!, photo?.image, {
      ...(words ? { text: words } : {}),
      ...(box ? { region: box === "all" ? WHOLE : box } : {}),
      detect: detect ? (box ? "on" : "auto") : "off",
      ...(isFiltered(address.filters) ? { filter: expression(address.filters)! } : {}),
      limit: sorted ? SORTED_PAGE : PAGE, ...(offset ? { offset } : {}),
      group_by: "group_id", facets: [...LISTS], explain: "parts",
    }, signal);
    // How likely two pictures show one article is calibrated, how well words fit is not: no badges, and nothing is too weak.
    return photo ? got : { ...got, results: got.results.map((one) => ({ ...one, tier: "similar" as const })) };
  }, [catalogue, photo, words, address.filters, sorted]);

  const boxText = JSON.stringify(address.box ?? null);
  const filterText = expression(address.filters) ?? "";
  const question = [sourceText, boxText, words, filterText, sorted, attempt].join("\n");
  useEffect(() => {
    if (!catalogue || waiting || (!photo && !wordsOnly)) return;
    const mine = new AbortController();
    running.current?.abort();
    running.current = mine;
    setPhase("searching");
    setProblem(null);
    setWeakShown(false);
    setSlow(false);
    const timer = setTimeout(() => setSlow(true), 300);
    // Once the photo has been looked at, what was meant then is asked for again: Back and filters must not widen it.
    query(0, mine.signal, photo ? address.box ?? meant : undefined, photo !== null && regions === null).then(
      (got) => {
        if (mine.signal.aborted) return;
        const found = regions ?? worthShowing(got);
        if (regions === null) setRegions(found);
        if (regions === null) setMeant(address.box ? found[0]?.box ?? WHOLE : got.searched_box);
        setAnswer(got);
        setResults(got.results);
        // Counts without filters stay for the lists that are filtered: otherwise a second colour could not be added.
        setBaseFacets((base) => Object.fromEntries(LISTS.map((list) => {
          const own = address.filters.lists[list]?.length && base[list];
          return [list, own || got.facets[list] || []];
        })));
        setPhase("done");
        setAnswered(question);
        const name = named(searched(address.box ?? got.searched_box, found).name);
        setSaid(plural("results.for", got.results.length, { kind: name }));
      },
      (reason) => {
        if (mine.signal.aborted || (reason as Error).name === "AbortError") return;
        setProblem(asProblem(reason));
        setPhase("done");
        setAnswered(question);
      },
    ).finally(() => clearTimeout(timer));
    return () => { mine.abort(); clearTimeout(timer); };
  }, [photo, boxText, words, waiting, wordsOnly && catalogue, filterText, sorted, attempt]);

  const loadingMore = useRef(false);
  const more = useCallback(() => {
    const offset = answer?.next_offset;
    if (!offset || loadingMore.current || phase !== "done") return;
    const signal = running.current?.signal ?? new AbortController().signal;
    loadingMore.current = true;
    query(offset, signal, photo ? address.box ?? answer.searched_box : undefined, false).then(
      (got) => {
        setResults((before) => [...before, ...got.results.filter((one) => !before.some((had) => had.product.id === one.product.id))]);
        setAnswer({ ...answer, next_offset: got.next_offset });
      },
      () => setAnswer({ ...answer, next_offset: null }),
    ).finally(() => { loadingMore.current = false; });
  }, [answer, phase, query, address.box, regions]);

  // ---- photos come in ----
  const show = useCallback(async (given: Photo | Blob) => {
    setCamera(false);
    try {
      const opened = given instanceof Blob ? await shrink(given) : given;
      const source = await keep(opened);
      go({ ...START, catalogue: address.catalogue, source });
    } catch (reason) {
      setPhoto(null);
      setProblem(asProblem(reason));
      setPhase("done");
    }
  }, [address.catalogue, go]);

  const showLink = useCallback((text: string) => {
    const meant = readLink(text, location.href);
    if (meant) { go(meant); return; }
    setPhoto(null);
    setProblem(new Problem("link", "a picture elsewhere"));
    setPhase("done");
  }, [go]);

  useEffect(() => {
    const typing = (target: EventTarget | null) => target instanceof HTMLInputElement;
    const pasted = (event: ClipboardEvent) => {
      const file = Array.from(event.clipboardData?.files ?? [])[0];
      const text = event.clipboardData?.getData("text/plain").trim() ?? "";
      if (file) { event.preventDefault(); void show(file); }
      else if (/^https?:\/\/\S+$/.test(text) && !typing(event.target)) { event.preventDefault(); showLink(text); }
    };
    let depth = 0; // enter and leave come for every child element
    const holds = (data: DataTransfer | null) => data?.types.includes("Files") || data?.types.includes("text/uri-list");
    const enter = (event: DragEvent) => { if (holds(event.dataTransfer)) { depth += 1; setDragging(true); } };
    const leave = () => { depth = Math.max(0, depth - 1); if (!depth) setDragging(false); };
    const over = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      depth = 0;
      setDragging(false);
      const file = event.dataTransfer?.files[0];
      const link = event.dataTransfer?.getData("text/uri-list").split("\n").find((line) => line && !line.startsWith("#"));
      if (file) void show(file);
      else if (link) showLink(link);
    };
    addEventListener("paste", pasted);
    addEventListener("dragenter", enter);
    addEventListener("dragleave", leave);
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("paste", pasted);
      removeEventListener("dragenter", enter);
      removeEventListener("dragleave", leave);
      removeEventListener("dragover", over);
      removeEventListener("drop", drop);
    };
  }, [show, showLink]);

  const similar = (id: string) => { setWhy(null); go({ ...START, catalogue: address.catalogue, source: { kind: "product", id } }); };
  const restart = () => { setProblem(null); setPhase("idle"); go({ ...START, catalogue: address.catalogue }); };
  const retry = useCallback(() => { setProblem(null); setAttempt((n) => n + 1); }, []);
  const filter = (filters: Filters) => go({ ...address, filters }, true);

  const here = useMemo(() => searched(address.box ?? meant, regions ?? []), [boxText, regions, meant]);
  const choose = (box: Box | "all", byHand: boolean) =>
    go({ ...address, box, filters: NO_FILTERS }, byHand && address.box !== undefined && here.region === undefined && address.box !== "all");

  const share = async () => {
    try {
      let place = write({ ...address, catalogue: address.catalogue });
      const small = photo && (address.source.kind === "photo" || address.source.kind === "link");
      if (small) place = write({ ...address, box: "all", source: { kind: "link", data: await linkData(photo, here.box ?? WHOLE) } });
      await navigator.clipboard.writeText(new URL(place, location.href).href);
      setToast(t(small ? "share.done" : "share.done.plain"));
    } catch {
      setToast(t("share.failed"));
    }
  };
  useEffect(() => {
    if (!toast) return;
    const timer = setTimeout(() => setToast(""), 4000);
    return () => clearTimeout(timer);
  }, [toast]);

  const tongue = (next: Language) => void speak(next).then(() => { settle(next, t("title"), true); setTongue(next); });

  const rank = (result: Result) => results.findIndex((one) => one.product.id === result.product.id) + 1;
  const opened = (result: Result) => {
    // A click that could not be told is no one's loss.
    if (answer?.feedback) tellFeedback(catalogue!, answer, result, rank(result), "click").catch(() => undefined);
    return true;
  };
  const tell = (result: Result, opinion: Opinion) => {
    const id = result.product.id;
    if (!answer || opinions[id] === opinion) return;
    const before = opinions[id];
    setOpinions((given) => ({ ...given, [id]: opinion }));
    tellFeedback(catalogue!, answer, result, rank(result), opinion).then(
      () => setSaid(t("feedback.thanks")),
      () => { setOpinions(({ [id]: _, ...others }) => (before ? { ...others, [id]: before } : others)); setToast(t("feedback.failed")); },
    );
  };
  const actions: Actions = {
    catalogue: catalogue ?? "", beside: true, texts: main?.texts, onWhy: setWhy, onSelect: opened, onSimilar: similar,
    ...(answer?.feedback ? { opinion: { of: (id) => opinions[id], tell } } : {}),
  };

  const ordered = useMemo(() => {
    if (!sorted) return results;
    const way = address.sort === "price" ? 1 : -1;
    return [...results].sort((a, b) => {
      const [x, y] = [amountOf(a.product), amountOf(b.product)];
      return x === y ? 0 : x === Infinity ? 1 : y === Infinity ? -1 : way * (x - y);
    });
  }, [results, address.sort]);

  const starting = address.source.kind === "none" && !wordsOnly && !waiting && !problem;
  const say = (next: string | undefined) => go({ ...address, words: next, filters: NO_FILTERS });
  const weak = photo !== null && results.length > 0 && results.every((one) => one.tier === "weak");
  const empty = main?.products === 0 && !address.catalogue;

  return (
    <TileActions.Provider value={actions}>
    <div class={starting ? "page is-start" : "page"}>
      {!starting && <a class="skip" href="#results" onClick={(event) => { event.preventDefault(); document.getElementById("results")?.focus(); }}>{t("skip")}</a>}
      <header class="top">
        <a class="home" href="/" aria-label={t("home")} onClick={(event) => { if (event.metaKey || event.ctrlKey) return; event.preventDefault(); restart(); }}>
          <Mark /><span>twinset</span>
        </a>
        {!starting && (
          <div class="top-actions">
            <FileButton onFile={show} />
            <button class="button small" onClick={() => setCamera(true)} aria-label={t("take")}><CameraSign /></button>
          </div>
        )}
        <label class="language">
          <span class="sr">{t("language")}</span>
          <select value={language} onChange={(event) => tongue(event.currentTarget.value as Language)}>
            {Object.entries(LANGUAGES).map(([tag, name]) => <option key={tag} value={tag} lang={tag}>{name}</option>)}
          </select>
          <Down />
        </label>
      </header>

      {starting && (empty
        ? <main id="main"><Notice title={t("state.empty")} text={t("state.empty.how")}><Fill catalogue={catalogue} /></Notice></main>
        : <Start
            catalogue={catalogue} dragging={dragging} onFile={show} onLink={showLink} onCamera={() => setCamera(true)}
            onExample={(id) => go({ ...START, catalogue: address.catalogue, source: { kind: "example", id } })}
            onWords={main?.reads ? say : undefined}
          />)}

      {!starting && (
        <main class={photo ? "search" : "search is-bare"} id="main">
          <h1 class="sr">{t("title")}</h1>
          {photo && (
            <div class="left">
              <Query
                photo={photo} alt={t(address.source.kind === "product" ? "catalogue.photo" : "photo")} regions={regions ?? []}
                chosen={here.box ? (near(here.box, WHOLE) ? "all" : here.box) : undefined} region={here.region} busy={phase === "searching" && regions === null}
                onChoose={choose} onReset={here.region || !regions?.length || near(here.box ?? WHOLE, WHOLE) ? undefined : () => go({ ...address, box: undefined, filters: NO_FILTERS })}
              />
              {main?.reads && <Words words={words} alone={false} onWords={say} />}
            </div>
          )}
          <section class="right" id="results" tabIndex={-1} aria-label={t("results")} aria-busy={phase === "searching" || (phase === "done" && (photo !== null || wordsOnly) && answered !== question)}>
            {wordsOnly && <Words words={words} alone onWords={say} />}
            {problem && !photo && !wordsOnly && <Trouble problem={problem} onRetry={retry} onNew={restart} key={problem.request ?? problem.code} />}
            {(photo || wordsOnly) && (
              <>
                <div class="bar">
                  {photo && (
                    <button class="bar-photo" onClick={() => scrollTo({ top: 0, behavior: "smooth" })} aria-label={t("photo.searched")}>
                      <CropThumb photo={photo} box={here.box ?? WHOLE} side={40} />
                    </button>
                  )}
                  <p class="bar-words">
                    <strong>{named(here.name)}</strong>
                    <span>{phase === "searching" ? t("searching") : problem ? "" : plural("count", ordered.length)}</span>
                  </p>
                  {phase === "searching" && slow && <><span class="spinner" aria-hidden="true" /><button class="button small" onClick={() => { running.current?.abort(); setPhase("cancelled"); setSaid(t("cancelled")); }}>{t("cancel")}</button></>}
                  {phase === "done" && !problem && <button class="button small" onClick={() => void share()}><Link /><span>{t("share")}</span></button>}
                </div>
                {!problem && answer && <FilterBar facets={baseFacets} filters={address.filters} sort={address.sort} onFilters={filter} onSort={(sort) => go({ ...address, sort }, true)} />}
                {problem && <Trouble problem={problem} onRetry={retry} onNew={restart} key={problem.request ?? problem.code} />}
                {phase === "cancelled" && <Notice title={t("cancelled")}><p class="actions"><button class="button primary" onClick={retry}>{t("retry")}</button></p></Notice>}
                {!problem && phase === "searching" && <Skeletons count={12} />}
                {!problem && phase === "done" && answer && (
                  <>
                    {photo && regions?.length === 0 && !address.box && results.length > 0 && <p class="hint">{t("state.nothing.detected")}</p>}
                    {results.length === 0 && (isFiltered(address.filters)
                      ? <Notice title={t("state.filtered")} text={t("state.filtered.how")}><p class="actions"><button class="button primary" onClick={() => filter(NO_FILTERS)}>{t("filter.clear")}</button></p></Notice>
                      : empty
                        ? <Notice title={t("state.empty")} text={t("state.empty.how")}><Fill catalogue={catalogue} /></Notice>
                        : <Notice title={t("state.none")} text={t(wordsOnly ? "words.none.how" : "state.weak.how")} />)}
                    {weak && !weakShown && <Notice title={t("state.weak")} text={t("state.weak.how")}><p class="actions"><button class="button" onClick={() => setWeakShown(true)}>{t("state.weak.show")}</button></p></Notice>}
                    {results.length > 0 && (!weak || weakShown) && (
                      <Results
                        results={ordered} sorted={sorted || wordsOnly}
                        heading={sorted ? t(`sort.${address.sort}`) : t(wordsOnly ? "words.found" : "similar")}
                        more={answer.next_offset && answer.next_offset < FAR ? more : undefined}
                      />
                    )}
                  </>
                )}
              </>
            )}
            {!photo && !wordsOnly && !problem && <Skeletons count={12} />}
          </section>
        </main>
      )}

      <footer class="bottom"><span>Twinset</span><a href="/docs">{t("api")}</a></footer>
      <div class="sr" role="status" aria-live="polite">{phase === "searching" && slow ? t("searching") : said}</div>
      <div class={toast ? "toast is-shown" : "toast"} role="status">{toast}</div>
      {dragging && !starting && <div class="drop-shade" aria-hidden="true"><span>{t("drop.now")}</span></div>}
      {camera && <Camera onClose={() => setCamera(false)} onPhoto={show} onFile={show} />}
      {why && (photo || wordsOnly) && <Why catalogue={catalogue!} photo={photo} words={words} box={here.box && !near(here.box, WHOLE) ? here.box : undefined} result={why} onClose={() => setWhy(null)} onSimilar={similar} />}
    </div>
    </TileActions.Provider>
  );
}

function FileButton({ onFile }: { onFile: (file: Blob) => void }) {
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <>
      <button class="button small" onClick={() => chooser.current?.click()}><Picture /><span>{t("new")}</span></button>
      <input
        ref={chooser} class="hidden" type="file" accept="image/*" tabIndex={-1} aria-label={t("choose")} data-testid="choose"
        onChange={(event) => { const file = event.currentTarget.files?.[0]; event.currentTarget.value = ""; if (file) onFile(file); }}
      />
    </>
  );
}

/** `asked`: the box of the address, else what the server meant; not known before its first answer. */
function searched(asked: Address["box"], regions: Region[]): { box: Box | undefined; region: Region | undefined; name: string } {
  const box = asked === "all" ? WHOLE : asked;
  const region = box && regions.find((one) => near(one.box, box));
  const name = region ? regionName(regions, region) : !box || near(box, WHOLE) ? t("whole") : t("own");
  return { box, region, name };
}
