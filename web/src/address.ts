/**
 * A search as the page's address, so that Back, reload and a copied link work.
 *
 * `?example=2`, `?product=id` or `?photo=key` say what is looked at; `box=x,y,w,h` (or `all`) which part; `words=` what is
 * said beside it or alone; then the filters.
 * A photo's key means something in this tab only. A copied link carries a small copy of the searched part behind `#`,
 * which browsers never send to a server.
 */
import type { Box } from "./api";

export type Source =
  | { kind: "none" }
  | { kind: "photo"; key: string }
  | { kind: "product"; id: string }
  | { kind: "example"; id: string }
  | { kind: "link"; data: string };

export type Sort = "similarity" | "price" | "price_desc";
export const LISTS = ["category", "color", "brand", "size", "seller"] as const;
export type List = (typeof LISTS)[number];
export interface Filters { lists: Partial<Record<List, string[]>>; min?: number; max?: number; stock: boolean }
export interface Address { catalogue?: string; source: Source; box?: Box | "all"; words?: string | undefined; filters: Filters; sort: Sort }

export const WHOLE: Box = { x: 0, y: 0, w: 1, h: 1 };
export const NO_FILTERS: Filters = { lists: {}, stock: false };
export const START: Address = { source: { kind: "none" }, filters: NO_FILTERS, sort: "similarity" };

const amount = (text: string | undefined): number | undefined => {
  const value = Number(text);
  return text && Number.isFinite(value) && value >= 0 ? value : undefined;
};

function readBox(text: string | null): Box | "all" | undefined {
  if (text === "all") return "all";
  const [x, y, w, h] = (text ?? "").split(",").map(Number);
  if (x === undefined || y === undefined || w === undefined || h === undefined) return undefined;
  const ok = [x, y, w, h].every((v) => Number.isFinite(v) && v >= 0 && v <= 1) && w > 0 && h > 0 && x + w <= 1.001 && y + h <= 1.001;
  return ok ? { x, y, w, h } : undefined;
}

export function read(location: { search: string; hash: string }): Address {
  const given = new URLSearchParams(location.search);
  const one = (name: string): string | undefined => given.get(name) ?? undefined;
  const source: Source = location.hash.startsWith("#p=")
    ? { kind: "link", data: location.hash.slice(3) }
    : one("product") ? { kind: "product", id: one("product")! }
    : one("example") ? { kind: "example", id: one("example")! }
    : one("photo") ? { kind: "photo", key: one("photo")! }
    : { kind: "none" };
  const lists: Filters["lists"] = {};
  for (const list of LISTS) {
    const values = given.getAll(list).filter(Boolean);
    if (values.length) lists[list] = values;
  }
  const [low, high] = (one("price") ?? "").split("-");
  const sort = one("sort");
  return {
    catalogue: one("catalogue"),
    source,
    box: readBox(given.get("box")),
    words: one("words")?.trim() || undefined,
    filters: { lists, min: amount(low), max: amount(high), stock: one("stock") === "1" },
    sort: sort === "price" || sort === "price_desc" ? sort : "similarity",
  };
}

export const boxText = (box: Box): string => [box.x, box.y, box.w, box.h].map((v) => +v.toFixed(4)).join(",");

export function write(address: Address): string {
  const out = new URLSearchParams();
  const { source, box, filters } = address;
  if (address.catalogue) out.set("catalogue", address.catalogue);
  if (source.kind === "product" || source.kind === "example") out.set(source.kind, source.id);
  if (source.kind === "photo") out.set("photo", source.key);
  if (box) out.set("box", box === "all" ? "all" : boxText(box));
  if (address.words) out.set("words", address.words);
  for (const list of LISTS) for (const value of filters.lists[list] ?? []) out.append(list, value);
  if (filters.min !== undefined || filters.max !== undefined) out.set("price", `${filters.min ?? ""}-${filters.max ?? ""}`);
  if (filters.stock) out.set("stock", "1");
  if (address.sort !== "similarity") out.set("sort", address.sort);
  const query = out.toString().replaceAll("%2C", ",");
  return (query ? `/?${query}` : "/") + (source.kind === "link" ? `#p=${source.data}` : "");
}

const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`;

/** The filters in the API's grammar, or nothing. */
export function expression(filters: Filters): string | undefined {
  const parts: string[] = [];
  for (const list of LISTS) {
    const values = filters.lists[list];
    if (values?.length) parts.push(`${list} in (${values.map(quoted).join(", ")})`);
  }
  if (filters.min !== undefined) parts.push(`price >= ${filters.min}`);
  if (filters.max !== undefined) parts.push(`price <= ${filters.max}`);
  if (filters.stock) parts.push("availability = 'in_stock'");
  return parts.length ? parts.join(" and ") : undefined;
}

/**
 * What a pasted or dropped address means to us: a search or a picture of this site. Nothing else is fetched: a page that
 * loads whatever it is given would tell strangers who looks at what.
 */
export function readLink(text: string, here: string): Address | undefined {
  let link: URL;
  try {
    link = new URL(text.trim(), here);
  } catch {
    return undefined;
  }
  if (link.origin !== new URL(here).origin) return undefined;
  const picture = /^\/v1\/catalogues\/([^/]+)\/(products|examples)\/([^/]+)\//.exec(link.pathname);
  if (picture) {
    const [, catalogue, list, id] = picture.map(decodeURIComponent);
    return { ...START, catalogue, source: { kind: list === "products" ? "product" : "example", id: id! } };
  }
  const address = read(link);
  return link.pathname === "/" && (address.source.kind !== "none" || address.words) ? address : undefined;
}

export const isFiltered = (filters: Filters): boolean => expression(filters) !== undefined;
