/** Catalogue: find a product by id, words or photo; see all that is known of it; hide it, have it looked at again, remove it, and bring it back. */
import { useEffect, useRef, useState } from "preact/hooks";
import { call, picturePath, search, type Product, type Region, type Result } from "../api";
import { Img } from "../img";
import { shrink } from "../photo";
import { place } from "../query";
import type { ChangeList, ProductList, StatusShape, Written } from "../schema";
import { money, number, percent } from "../speech";
import type { PageProps } from "./admin";
import { asProblem, at, get, isOffered, send, useAsked, type Asked } from "./ask";
import { Confirm, DataTable, Panel, Shown, Wanting, When, type Column } from "./bits";
import { plural, t, word } from "./words";
import type { Problem } from "../api";

const SHOWN = 50;
const PAGE = 500;

interface Found { items: Product[]; looked: number; more: boolean; scores?: Map<string, number> }

const says = (product: Product): string =>
  [product.id, product.title, product.brand, product.seller, product.group_id, product.sku, product.gtin, ...(product.color ?? []), ...(product.tags ?? [])].join("\n").toLowerCase();

/** Reads through the listing until enough products hold every word. The API filters by whole values only. */
async function scan(catalogue: string, words: string, hidden: boolean, signal: AbortSignal, tell: (found: Found) => void): Promise<void> {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const found: Found = { items: [], looked: 0, more: true };
  let after = "";
  for (;;) {
    const page: ProductList = await get(`${at(catalogue)}/products?limit=${wanted.length ? PAGE : SHOWN}${hidden ? "&hidden=true" : ""}${after}`, { signal });
    found.looked += page.items.length;
    found.items.push(...page.items.filter((product) => wanted.every((one) => says(product).includes(one))));
    found.more = Boolean(page.next);
    const enough = found.items.length >= SHOWN;
    tell({ ...found, items: found.items.slice(0, SHOWN), more: found.more || found.items.length > SHOWN });
    if (!page.next || enough) return;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
}

export function CataloguePage(props: PageProps) {
  return props.rest ? <Detail {...props} /> : <Finder {...props} />;
}

const where = (catalogue: string, id: string): string => `/admin/catalogue/${encodeURIComponent(id)}?catalogue=${encodeURIComponent(catalogue)}`;

function Thumb({ catalogue, product }: { catalogue: string; product: Product }) {
  const first = product.images?.find(({ picture }) => picture);
  return first ? <Img class="thumb-picture" path={picturePath(catalogue, product.id, first.name ?? "main", 96)} alt="" lazy width={48} height={60} /> : <span class="thumb-picture none">–</span>;
}

const priceText = ({ price, sale_price }: Product): string => (sale_price ?? price ? money((sale_price ?? price)!.amount, (sale_price ?? price)!.currency) : "–");

function columns(catalogue: string, go: (path: string) => void, scores?: Map<string, number>): Column<Product>[] {
  return [
    { name: "picture", head: t("picture"), cell: (product) => <Thumb catalogue={catalogue} product={product} /> },
    { name: "id", head: t("id"), sort: ({ id }) => id, cell: ({ id }) => <a href={where(catalogue, id)} onClick={(event) => { event.preventDefault(); go(where(catalogue, id)); }}>{id}</a> },
    { name: "title", head: t("name"), sort: ({ title }) => title ?? "", cell: ({ title }) => title ?? "–" },
    { name: "brand", head: t("brand"), sort: ({ brand }) => brand ?? "", cell: ({ brand }) => brand ?? "–" },
    { name: "seller", head: t("seller"), sort: ({ seller }) => seller ?? "", cell: ({ seller }) => seller ?? "–" },
    { name: "price", head: t("price"), right: true, sort: ({ price, sale_price }) => Number((sale_price ?? price)?.amount ?? Infinity), cell: priceText },
    { name: "stock", head: t("stock"), sort: ({ availability }) => availability ?? "", cell: ({ availability }) => word(`stock.${availability}`, availability ?? "–") },
    ...(scores ? [{ name: "score", head: t("alike"), right: true, sort: ({ id }: Product) => scores.get(id) ?? 0, cell: ({ id }: Product) => percent(scores.get(id) ?? 0) }] : []),
  ];
}

function Finder({ catalogue, go }: PageProps) {
  const [words, setWords] = useState("");
  const [hidden, setHidden] = useState(false);
  const [found, setFound] = useState<Found>();
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const running = useRef<AbortController | null>(null);
  const chooser = useRef<HTMLInputElement>(null);

  const run = (work: (signal: AbortSignal) => Promise<void>) => {
    running.current?.abort();
    const mine = new AbortController();
    running.current = mine;
    setBusy(true);
    setProblem(undefined);
    work(mine.signal).then(() => setBusy(false), (reason) => { if (!mine.signal.aborted) { setProblem(asProblem(reason)); setBusy(false); } });
  };
  const byWords = (text: string) => run((signal) => scan(catalogue, text, hidden, signal, setFound));
  const byPhoto = (file: Blob) => run(async (signal) => {
    const photo = await shrink(file);
    const answer = await search(catalogue, photo.image, { detect: "auto", limit: SHOWN }, signal);
    setFound({ items: answer.results.map(({ product }) => product), looked: 0, more: false, scores: new Map(answer.results.map(({ product, score }) => [product.id, score])) });
  });
  useEffect(() => { byWords(""); return () => running.current?.abort(); }, [catalogue, hidden]);

  const submit = (event: Event) => {
    event.preventDefault();
    const text = words.trim();
    if (!text) { byWords(""); return; }
    // An id is exact and at hand; anything else has to be read through.
    run(async (signal) => {
      const exact = await get<Product>(`${at(catalogue)}/products/${encodeURIComponent(text)}`, { signal }).catch(() => undefined);
      if (exact) go(where(catalogue, exact.id));
      else await scan(catalogue, text, hidden, signal, setFound);
    });
  };

  return (
    <Panel title={t("catalogue.find")}>
      <form class="finder-line" role="search" onSubmit={submit}>
        <label class="field"><span class="sr">{t("catalogue.words")}</span><input type="search" value={words} placeholder={t("catalogue.words")} onInput={(event) => setWords(event.currentTarget.value)} /></label>
        <button class="button primary">{t("find")}</button>
        <button type="button" class="button" onClick={() => chooser.current?.click()}>{t("catalogue.photo")}</button>
        <input ref={chooser} class="hidden" type="file" accept="image/*" tabIndex={-1} aria-label={t("catalogue.photo")} data-testid="admin-photo" onChange={(event) => { const file = event.currentTarget.files?.[0]; event.currentTarget.value = ""; if (file) byPhoto(file); }} />
        <label class="choice"><input type="checkbox" checked={hidden} onChange={(event) => setHidden(event.currentTarget.checked)} /><span>{t("hidden.only")}</span></label>
        {busy && <button type="button" class="button" onClick={() => { running.current?.abort(); setBusy(false); }}>{t("stop")}</button>}
      </form>
      {problem && <Wanting problem={problem} what={t("page.catalogue")} />}
      {found && (
        <>
          <p class="quiet" role="status">{plural("found", found.items.length)}{found.looked > 0 && ` · ${plural("looked", found.looked)}`}{found.more && !busy && ` · ${t("more.there")}`}</p>
          <DataTable caption={t("page.catalogue")} columns={columns(catalogue, go, found.scores)} rows={found.items} id={({ id }) => id} empty={busy ? t("loading") : t("found.none")} />
        </>
      )}
      {!found && !problem && <Wanting problem={undefined} what="" />}
    </Panel>
  );
}

function Detail({ catalogue, rest: id, go, say }: PageProps) {
  const path = `${at(catalogue)}/products/${encodeURIComponent(id)}`;
  const product = useAsked<Product>(path);
  const status = useAsked<StatusShape>(`${path}/status`, 5000);
  const [asking, setAsking] = useState(false);
  const back = `/admin/catalogue?catalogue=${encodeURIComponent(catalogue)}`;

  /** Keeps what is removed, pictures included, in this page until the toast is gone. */
  const remove = async () => {
    const kept = product.value!;
    const pictures = await Promise.all((kept.images ?? []).filter(({ picture }) => picture).map(async ({ name }) =>
      [name ?? "main", await (await call(`${path}/images/${encodeURIComponent(name ?? "main")}/content`)).blob()] as const));
    await send("DELETE", path);
    go(back);
    say({
      text: t("removed", { id }),
      undo: async () => {
        await send("PUT", path, { ...kept, images: kept.images?.map(({ picture: _, ...image }) => image) });
        for (const [name, picture] of pictures) await call(`${path}/images/${encodeURIComponent(name)}`, { method: "PUT", body: picture, headers: { "content-type": picture.type } });
        go(where(catalogue, id));
      },
    });
  };
  const failed = (reason: unknown) => say({ text: asProblem(reason).detail });
  const set = (hidden: boolean) => send("PATCH", `${path}/status`, { hidden }).then(status.reload);
  const hide = (hidden: boolean) => set(hidden).then(() => say({ text: t(hidden ? "hidden" : "shown", { id }), undo: () => set(!hidden) }), failed);
  const again = () => send<Written>("POST", `${path}/index:rebuild?wait=searchable&timeout_ms=30000`).then((made) => { say({ text: t(made?.searchable ? "looked.again" : "looking.again", { id }) }); status.reload(); }, failed);
  const hidden = Boolean(status.value?.hidden_at);

  return (
    <>
      <p><a href={back} onClick={(event) => { event.preventDefault(); go(back); }}>← {t("page.catalogue")}</a></p>
      <Shown of={product} what={id}>
        {(value) => (
          <>
            <Panel
              title={value.title ?? id} note={<>{id}{status.value && <Standing of={status.value} />}</>}
              actions={<>
                {isOffered(status) && <button class="button small" onClick={() => void hide(!hidden)}>{t(hidden ? "show" : "hide")}</button>}
                {isOffered(status) && <button class="button small" onClick={() => void again()}>{t("look.again")}</button>}
                <button class="button small danger" onClick={() => setAsking(true)}>{t("remove")}</button>
              </>}
            >
              <Pictures catalogue={catalogue} product={value} status={status.value} />
            </Panel>
            <Panel title={t("claims")} note={t("claims.note")}>
              <dl class="facts">
                {Object.entries(value).filter(([name, claim]) => name !== "images" && claim !== null && claim !== "" && !(Array.isArray(claim) && claim.length === 0)).map(([name, claim]) => (
                  <div key={name}><dt><code>{name}</code></dt><dd>{text(claim)}</dd></div>
                ))}
              </dl>
            </Panel>
            <Twins catalogue={catalogue} product={value} go={go} />
            <History path={path} />
          </>
        )}
      </Shown>
      {asking && <Confirm title={t("remove.title", { id })} text={plural("remove.text", product.value?.images?.length ?? 0, { id })} act={t("remove")} onAct={remove} onClose={() => setAsking(false)} />}
    </>
  );
}

/** Since when it is what it is, and whether searches know. */
const Standing = ({ of: { hidden_at, searchable, created_at, updated_at } }: { of: StatusShape }) => (
  <> · {hidden_at ? <strong>{t("hidden.since")} <When at={hidden_at} /></strong> : t(searchable ? "searchable.now" : "searchable.soon")} · {t("created")} <When at={created_at} /> · {t("updated")} <When at={updated_at} /></>
);

const text = (claim: unknown): string =>
  Array.isArray(claim) ? claim.map(text).join(", ")
    : claim && typeof claim === "object"
      ? "amount" in claim && "currency" in claim ? money(String(claim.amount), String(claim.currency)) : JSON.stringify(claim)
      : String(claim);

/** Every picture, with what is seen in it once asked for. */
function Pictures({ catalogue, product, status }: { catalogue: string; product: Product; status: StatusShape | undefined }) {
  const images = product.images ?? [];
  const [seen, setSeen] = useState<Record<string, Region[] | Problem>>({});
  const look = async (name: string) => {
    try {
      const picture = await (await call(`${at(catalogue)}/products/${encodeURIComponent(product.id)}/images/${encodeURIComponent(name)}/content`)).blob();
      const { regions } = (await (await call("/v1/detect", { method: "POST", body: picture, headers: { "content-type": picture.type } })).json()) as { regions: Region[] };
      setSeen((before) => ({ ...before, [name]: regions }));
    } catch (reason) {
      setSeen((before) => ({ ...before, [name]: asProblem(reason) }));
    }
  };
  if (images.length === 0) return <p class="quiet">{t("no.pictures")}</p>;
  return (
    <ul class="pictures">
      {images.map((image) => {
        const name = image.name ?? "main";
        const regions = seen[name];
        const standing = status?.images.find((one) => one.name === name);
        return (
          <li key={name}>
            <div class="seen">
              {image.picture ? <Img path={picturePath(catalogue, product.id, name, 480)} alt={image.alt ?? name} lazy /> : <p class="quiet">{t("picture.missing")}</p>}
              {Array.isArray(regions) && regions.map(({ id, box, kind, score }) => <span key={id} class="seen-box" style={place(box)}><b>{word(`kind.${kind}`, kind)} {percent(score)}</b></span>)}
            </div>
            <p><strong>{name}</strong> <span class="quiet">{word(`role.${image.role}`, image.role ?? "")}</span></p>
            {image.url && <p class="quiet clip">{image.url}</p>}
            {standing?.state === "waiting" && <p class="quiet">{t("image.waiting")}</p>}
            {standing?.state === "unreadable" && <p class="trouble">{t("image.unreadable", { reason: standing.reason ?? "" })}</p>}
            {image.picture && !regions && <button class="button small" onClick={() => void look(name)}>{t("see")}<span class="sr"> {name}</span></button>}
            {Array.isArray(regions) && <p class="quiet" role="status">{plural("seen", regions.length)}</p>}
            {regions && !Array.isArray(regions) && <Wanting problem={regions} what={t("see")} />}
          </li>
        );
      })}
    </ul>
  );
}

/** Products that look the same: the same article twice, or another seller's. */
function Twins({ catalogue, product, go }: { catalogue: string; product: Product; go: (path: string) => void }) {
  const stored = product.images?.some(({ picture }) => picture);
  const twins = useAsked<Result[]>(stored ? `${catalogue} ${product.id}` : null, 0, async () =>
    (await search(catalogue, product.id, { detect: "auto", limit: 12, explain: "none" }, new AbortController().signal)).results
      .filter((one) => one.product.id !== product.id && (one.tier === "identical" || one.tier === "very_similar")));
  return (
    <Panel title={t("twins")} note={t("twins.note")}>
      {!stored ? <p class="quiet">{t("no.pictures")}</p> : (
        <Shown of={twins as Asked<Result[]>} what={t("twins")}>
          {(value) => <DataTable caption={t("twins")} columns={columns(catalogue, go, new Map(value.map((one) => [one.product.id, one.score])))} rows={value.map((one) => one.product)} id={({ id }) => id} empty={t("twins.none")} />}
        </Shown>
      )}
    </Panel>
  );
}

function History({ path }: { path: string }) {
  const changes = useAsked<ChangeList>(`${path}/changes?limit=500`);
  return (
    <Panel title={t("history")}>
      <Shown of={changes} what={t("history")}>
        {({ items }) => (
          <DataTable
            caption={t("history")} rows={items} id={({ change }) => String(change)} empty={t("history.none")}
            columns={[
              { name: "change", head: t("change"), right: true, sort: ({ change }) => change, cell: ({ change }) => number(change) },
              { name: "at", head: t("time"), sort: ({ at }) => at, cell: ({ at }) => <When at={at} /> },
              { name: "kind", head: t("kind"), cell: ({ kind }) => word(`change.${kind}`, kind) },
            ]}
          />
        )}
      </Shown>
    </Panel>
  );
}
