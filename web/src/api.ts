/** The part of the HTTP API that the page uses, and its failures as one type. */

export interface Box { x: number; y: number; w: number; h: number }
export interface Money { amount: string; currency: string }
export interface Picture { name: string; url?: string | null; role?: string; alt?: string | null }
export interface Product {
  id: string; group_id?: string | null; title?: string | null; description?: string | null; link?: string | null;
  brand?: string | null; seller?: string | null; price?: Money | null; sale_price?: Money | null; availability?: string;
  category?: { path: string[] } | null; color?: string[]; size?: string[]; material?: string[]; pattern?: string[];
  gender?: string[]; images?: Picture[];
}
export interface Region { id: number; box: Box; kind: string; score: number }
export interface Part { query: Box; result: Box; score: number }
export interface Result {
  product: Product; image: string; box?: Box; score: number; tier: string; variants: number;
  evidence: { global: number; local: number | null; text: number | null; matched_parts: Part[] };
}
export interface FacetValue { value: string; count: number }
export interface Answer {
  snapshot: number; regions: Region[]; searched_region: number | null; searched_box?: Box | null;
  results: Result[]; facets: Record<string, FacetValue[]>; next_offset: number | null;
}
export interface Query {
  region?: Box; detect: "on" | "off" | "auto"; filter?: string; limit: number; offset?: number;
  group_by: "group_id"; facets: string[]; explain: "parts";
}
export interface Example { id: string; href: string }

/** What went wrong, in the server's own stable words where it answered at all. */
export class Problem extends Error {
  constructor(readonly code: string, readonly detail: string, readonly request: string | null, readonly retryAfter: number | null) {
    super(detail);
  }
}

async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (reason) {
    if ((reason as Error).name === "AbortError") throw reason;
    throw new Problem(navigator.onLine ? "unreachable" : "offline", String(reason), null, null);
  }
  if (response.ok) return response;
  const body = (await response.json().catch(() => ({}))) as { code?: string; detail?: string; title?: string };
  const wait = Number(response.headers.get("retry-after"));
  throw new Problem(
    body.code ?? `http_${response.status}`,
    body.detail ?? body.title ?? response.statusText,
    response.headers.get("x-request-id"),
    Number.isFinite(wait) && wait > 0 ? wait : null,
  );
}

const at = (catalogue: string): string => `/v1/catalogues/${encodeURIComponent(catalogue)}`;

export interface CatalogueInfo { name: string; counts?: { products: number; pictures: number } }

export async function catalogues(): Promise<CatalogueInfo[]> {
  return ((await (await call("/v1/catalogues")).json()) as { items: CatalogueInfo[] }).items;
}

export async function examples(catalogue: string): Promise<Example[]> {
  return ((await (await call(`${at(catalogue)}/examples`)).json()) as { items: Example[] }).items;
}

export async function fetchPicture(path: string): Promise<Blob> {
  return (await call(path)).blob();
}

export const pictureAddress = (catalogue: string, product: string, image: string, width: number): string =>
  `${at(catalogue)}/products/${encodeURIComponent(product)}/images/${encodeURIComponent(image)}/content?w=${width}`;

export async function product(catalogue: string, id: string): Promise<Product> {
  return (await call(`${at(catalogue)}/products/${encodeURIComponent(id)}`)).json() as Promise<Product>;
}

/** `image`: the photo itself, or the id of a product whose picture is the query. */
export async function search(catalogue: string, image: Blob | string, query: Query, signal: AbortSignal): Promise<Answer> {
  if (typeof image === "string") {
    const body = JSON.stringify({ ...query, image: { product: image } });
    return (await call(`${at(catalogue)}/search`, { method: "POST", body, signal, headers: { "content-type": "application/json" } })).json() as Promise<Answer>;
  }
  const form = new FormData();
  form.append("query", new Blob([JSON.stringify(query)], { type: "application/json" }));
  form.append("image", image, "photo");
  return (await call(`${at(catalogue)}/search`, { method: "POST", body: form, signal })).json() as Promise<Answer>;
}
