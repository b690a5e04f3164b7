/** Words in four languages. Keys are those of `lang/en.json`; plural forms end in `.one`, `.other` as Intl names them. */
import english from "./lang/en.json";

export type Language = "ko" | "zh" | "en" | "ja";
export type Key = keyof typeof english;
type Words = Record<string, string>;

export const LANGUAGES: Record<Language, string> = { ko: "한국어", zh: "中文", en: "English", ja: "日本語" };
const REMEMBERED = "twinset-language";

// English comes with the page, since it is also the fallback; the others are fetched when chosen.
const load: Record<Language, () => Promise<{ default: Words }>> = {
  en: () => Promise.resolve({ default: english }),
  ko: () => import("./lang/ko.json"),
  zh: () => import("./lang/zh.json"),
  ja: () => import("./lang/ja.json"),
};

let words: Words = english;
export let language: Language = "en";

const known = (tag: string | null): Language | undefined => {
  const head = tag?.toLowerCase().split("-")[0];
  return head && head in LANGUAGES ? (head as Language) : undefined;
};

/** The remembered language, else the browser's first one that we speak, else English. */
export function preferred(): Language {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(REMEMBERED);
  } catch {
    // Storage may be forbidden; then nothing is remembered.
  }
  return known(kept) ?? navigator.languages.map(known).find(Boolean) ?? "en";
}

export async function speak(next: Language, remember: boolean): Promise<void> {
  words = (await load[next]()).default;
  language = next;
  document.documentElement.lang = next === "zh" ? "zh-Hans" : next;
  document.title = `${t("title")} · Twinset`;
  if (!remember) return;
  try {
    localStorage.setItem(REMEMBERED, next);
  } catch {
    // See above.
  }
}

type Values = Record<string, string | number>;
const fill = (text: string, values: Values): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });

/** The text of `key`, `{name}` filled from `values`. */
export const t = (key: Key, values: Values = {}): string => fill(words[key] ?? english[key], values);

/** The plural form of `key` for `n`, which also fills `{n}`. */
export function plural(key: string, n: number, values: Values = {}): string {
  const form = new Intl.PluralRules(language).select(n);
  const fallback: Words = english;
  return fill(words[`${key}.${form}`] ?? words[`${key}.other`] ?? fallback[`${key}.other`] ?? key, { ...values, n });
}

/** A word of a closed list (`kind`, `color`), or the word itself where it is the shop's own. */
export const word = (list: "kind" | "color", value: string): string =>
  words[`${list}.${value.toLowerCase()}`] ?? value.replace(/^\p{L}/u, (first) => first.toUpperCase());

export const number = (value: number): string => new Intl.NumberFormat(language).format(value);
export const percent = (value: number): string =>
  new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(value);

export function money(amount: string | number, currency: string): string {
  try {
    return new Intl.NumberFormat(language, { style: "currency", currency, currencyDisplay: "narrowSymbol" }).format(Number(amount));
  } catch {
    return `${amount} ${currency}`; // not a currency Intl knows: as the seller wrote it
  }
}
