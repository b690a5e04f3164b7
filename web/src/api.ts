/** The part of the HTTP API that the pages use, and its failures as one type. The shapes are generated. */
import type { Box, CatalogueList, CatalogueShape, Example, ExampleList, FacetCount, Image, MatchedPart, Money, Product, Region, SearchQuery, SearchReply, SearchResult } from "./schema";

export type { Box, Example, Money, Product, Region };
export type Picture = Image;
export type CatalogueInfo = CatalogueShape;
export type Part = MatchedPart;
export type Result = SearchResult;
export type FacetValue = FacetCount;
/** `feedback`: the operator wants to know what shoppers do with it. */
export type Answer = SearchReply;
export type Query = SearchQuery;

/** Where the API is: this site, unless a widget on a shop's page says otherwise. `key`: a public search key. */
export const server = { base: "", key: "" };

/** What went wrong, in the server's own stable words where it answered at all. */
export class Problem extends Error {
  constructor(readonly code: string, readonly detail: string, readonly request: string | null = null, readonly retryAfter: number | null = null, readonly status = 0) {
    super(detail);
  }
}

export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  const headers = new Headers(init.headers);
  if (server.key) headers.set("authorization", `Bearer ${server.key}`);
  try {
    response = await fetch(server.base + path, { ...init, headers, credentials: server.base ? "omit" : "same-origin" });
  } catch (reason) {
    if ((reason as Error).name === "AbortError") throw reason;
    throw new Problem(navigator.onLine ? "unreachable" : "offline", String(reason));
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { code?: string; detail?: string; title?: string };
  const wait = Number(response.headers.get("retry-after"));
  throw new Problem(
    body.code ?? `http_${response.status}`,
    body.detail ?? body.title ?? response.statusText,
    response.headers.get("x-request-id"),
    Number.isFinite(wait) && wait > 0 ? wait : null,
    response.status,
  );
}

const json = async <T>(path: string, init?: RequestInit): Promise<T> => (await call(path, init)).json() as Promise<T>;
const at = (catalogue: string): string => `/v1/catalogues/${encodeURIComponent(catalogue)}`;

export const catalogues = async (): Promise<CatalogueInfo[]> => (await json<CatalogueList>("/v1/catalogues")).items;
export const examples = async (catalogue: string): Promise<Example[]> => (await json<ExampleList>(`${at(catalogue)}/examples`)).items;
export const fetchPicture = async (path: string): Promise<Blob> => (await call(path)).blob();

export const picturePath = (catalogue: string, product: string, image: string, width: number): string =>
  `${at(catalogue)}/products/${encodeURIComponent(product)}/images/${encodeURIComponent(image)}/content?w=${width}`;

/** A product; for those who may search only, as a search for itself shows it. */
export async function product(catalogue: string, id: string): Promise<Product> {
  try {
    return await json<Product>(`${at(catalogue)}/products/${encodeURIComponent(id)}`);
  } catch (reason) {
    if (!(reason instanceof Problem) || (reason.status !== 401 && reason.status !== 403)) throw reason;
    const { results } = await search(catalogue, id, { detect: "off", limit: 5 }, new AbortController().signal);
    const itself = results.find((one) => one.product.id === id);
    if (!itself) throw reason;
    return itself.product;
  }
}

/** `image`: the photo itself, the id of a product whose picture is the query, or nothing but the words in `query`. */
export async function search(catalogue: string, image: Blob | string | undefined, query: Query, signal: AbortSignal): Promise<Answer> {
  if (!(image instanceof Blob)) {
    const body = JSON.stringify(image === undefined ? query : { ...query, image: { product: image } });
    return json<Answer>(`${at(catalogue)}/search`, { method: "POST", body, signal, headers: { "content-type": "application/json" } });
  }
  const form = new FormData();
  form.append("query", new Blob([JSON.stringify(query)], { type: "application/json" }));
  form.append("image", image, "photo");
  return json<Answer>(`${at(catalogue)}/search`, { method: "POST", body: form, signal });
}

export type Opinion = "up" | "down";

/** What was done with a result: opened, or called the same, similar or different. Nobody is named. */
export async function tellJudgement(catalogue: string, answer: Answer, result: Result, rank: number, kind: "click" | "same" | "similar" | "different"): Promise<void> {
  const events = [{ kind, search: answer.id, product: result.product.id, image: result.image, rank }];
  // `keepalive`: the page may be left at the same moment.
  await call(`${at(catalogue)}/feedback`, { method: "POST", keepalive: true, body: JSON.stringify({ events }), headers: { "content-type": "application/json" } });
}

/** A shopper's opinion in the words of the trainer. */
export const tellFeedback = (catalogue: string, answer: Answer, result: Result, rank: number, did: Opinion | "click"): Promise<void> =>
  tellJudgement(catalogue, answer, result, rank, did === "click" ? "click" : did === "down" ? "different" : result.tier === "identical" ? "same" : "similar");
