/** The operator pages: signing in, finding one's way, and which page is shown. */
import type { ComponentType } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { call, catalogues, server, type CatalogueInfo, type Problem } from "../api";
import { Down, Mark } from "../icons";
import { LANGUAGES, language, settle, type Language } from "../speech";
import { asProblem, isRefused, keepKey } from "./ask";
import { Toast, Wanting, type Said } from "./bits";
import { CataloguePage } from "./catalogue";
import { Evaluation } from "./evaluation";
import { Feeds } from "./feeds";
import { IndexHealth } from "./health";
import { Jobs } from "./jobs";
import { Keys } from "./keys";
import { Overview } from "./overview";
import { Quality } from "./quality";
import { Training } from "./training";
import { speak, t, type Key } from "./words";

/** What every page is given. */
export interface PageProps { catalogue: string; all: CatalogueInfo[]; say: (said: Said) => void; go: (path: string) => void; rest: string }

const PAGES: [string, ComponentType<PageProps>][] = [
  ["", Overview], ["catalogue", CataloguePage], ["feeds", Feeds], ["index", IndexHealth], ["training", Training],
  ["evaluation", Evaluation], ["quality", Quality], ["jobs", Jobs], ["keys", Keys],
];
const keyOf = (page: string): Key => `page.${page || "overview"}` as Key;

const read = () => {
  const [, , page = "", ...rest] = location.pathname.split("/");
  return { page: PAGES.some(([name]) => name === page) ? page : "", rest: rest.map(decodeURIComponent).join("/"), catalogue: new URLSearchParams(location.search).get("catalogue") };
};

export function Admin() {
  const [place, setPlace] = useState(read);
  const [all, setAll] = useState<CatalogueInfo[]>();
  const [problem, setProblem] = useState<Problem>();
  const [said, setSaid] = useState<Said | null>(null);
  const [, setTongue] = useState<Language>(language);

  // Visitors may have a key of their own kind, which opens the search and nothing here: without a key of the operator's
  // the list of keys tells whether one is needed.
  const enter = useCallback(() => {
    const closed = server.key ? Promise.resolve() : call("/v1/keys").then(() => undefined, (reason) => { if (isRefused(asProblem(reason))) throw reason; });
    closed.then(catalogues).then((items) => { setAll(items); setProblem(undefined); }, (reason) => setProblem(asProblem(reason)));
  }, []);
  useEffect(enter, []);
  useEffect(() => {
    const back = () => setPlace(read());
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const go = useCallback((path: string) => {
    history.pushState(null, "", path);
    setPlace(read());
    scrollTo({ top: 0 });
    document.getElementById("page")?.focus();
  }, []);
  useEffect(() => {
    settle(language, t(keyOf(place.page)), false);
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [place.page, all === undefined]);

  const catalogue = place.catalogue ?? (all?.find(({ name }) => name === "main") ?? all?.[0])?.name ?? "main";
  const address = (page: string) => `/admin${page ? `/${page}` : ""}${place.catalogue ? `?catalogue=${encodeURIComponent(place.catalogue)}` : ""}`;
  const tongue = (next: Language) => void speak(next).then(() => { settle(next, t(keyOf(place.page)), true); setTongue(next); });
  const picker = (
    <label class="language">
      <span class="sr">{t("language")}</span>
      <select value={language} onChange={(event) => tongue(event.currentTarget.value as Language)}>
        {Object.entries(LANGUAGES).map(([tag, name]) => <option key={tag} value={tag} lang={tag}>{name}</option>)}
      </select>
      <Down />
    </label>
  );

  if (!all) {
    const closed = problem && isRefused(problem);
    return (
      <div class="gate">
        <header class="top"><a class="home" href="/"><Mark /><span>twinset</span></a>{picker}</header>
        <main>{closed ? <SignIn refused={problem.status === 403 && server.key !== ""} onDone={enter} /> : <><h1 class="sr">{t("title")}</h1><Wanting problem={problem} reload={enter} what={t("title")} /></>}</main>
      </div>
    );
  }
  const Page = PAGES.find(([name]) => name === place.page)![1];
  return (
    <div class="admin">
      <a class="skip" href="#page" onClick={(event) => { event.preventDefault(); document.getElementById("page")?.focus(); }}>{t("skip")}</a>
      <header class="side">
        <a class="home" href="/" title={t("to.search")}><Mark /><span>twinset</span></a>
        {all.length > 0 && (
          <label class="picker">
            <span>{t("catalogue")}</span>
            <select value={catalogue} onChange={(event) => go(`${location.pathname}?catalogue=${encodeURIComponent(event.currentTarget.value)}`)}>
              {all.map(({ name }) => <option key={name} value={name}>{name}</option>)}
            </select>
            <Down />
          </label>
        )}
        <nav aria-label={t("title")}>
          <ul>
            {PAGES.map(([page]) => (
              <li key={page}>
                <a href={address(page)} aria-current={page === place.page ? "page" : undefined} onClick={(event) => { if (event.metaKey || event.ctrlKey || event.shiftKey) return; event.preventDefault(); go(address(page)); }}>{t(keyOf(page))}</a>
              </li>
            ))}
          </ul>
        </nav>
        <div class="side-end">{picker}<SignOut onDone={() => { setAll(undefined); enter(); }} /></div>
      </header>
      <main id="page" tabIndex={-1}>
        <h1>{t(keyOf(place.page))}</h1>
        <Page key={`${place.page} ${catalogue}`} catalogue={catalogue} all={all} say={setSaid} go={go} rest={place.rest} />
      </main>
      <Toast said={said} onGone={() => setSaid(null)} />
    </div>
  );
}

function SignIn({ refused, onDone }: { refused: boolean; onDone: () => void }) {
  const [key, setKey] = useState("");
  const [tried, setTried] = useState(false);
  return (
    <form class="sign-in" onSubmit={(event) => { event.preventDefault(); keepKey(key.trim()); setTried(true); onDone(); }}>
      <h1>{t("sign.in")}</h1>
      <p class="quiet">{t("sign.in.how")}</p>
      <label class="field"><span>{t("key")}</span><input type="password" autocomplete="off" required value={key} onInput={(event) => setKey(event.currentTarget.value)} placeholder="tw_…" /></label>
      {(tried || refused) && <p class="trouble" role="alert">{t(refused ? "sign.in.weak" : "sign.in.wrong")}</p>}
      <button class="button primary big">{t("sign.in.go")}</button>
      <pre class="commands"><code>twinset keys create --right admin</code></pre>
    </form>
  );
}

function SignOut({ onDone }: { onDone: () => void }) {
  let signed = false;
  try { signed = sessionStorage.getItem("twinset-admin-key") !== null; } catch { /* Then nothing was kept. */ }
  return signed ? <button class="as-link" onClick={() => { keepKey(""); onDone(); }}>{t("sign.out")}</button> : null;
}
