/** Speaking: which language, and how a lexicon finds, fills and counts its words. */

export type Language = "ko" | "zh" | "en" | "ja";
export type Words = Record<string, string>;
export type Values = Record<string, string | number>;

export const LANGUAGES: Record<Language, string> = { ko: "한국어", zh: "中文", en: "English", ja: "日本語" };
const REMEMBERED = "twinset-language";

export let language: Language = "en";

export const known = (tag: string | null | undefined): Language | undefined => {
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

/** Makes the whole document speak `next`. */
export function settle(next: Language, title: string, remember: boolean): void {
  document.documentElement.lang = next === "zh" ? "zh-Hans" : next;
  document.title = `${title} · Twinset`;
  if (!remember) return;
  try {
    localStorage.setItem(REMEMBERED, next);
  } catch {
    // See above.
  }
}

export const number = (value: number, options: Intl.NumberFormatOptions = {}): string => new Intl.NumberFormat(language, options).format(value);
export const percent = (value: number, digits = 0): string => number(value, { style: "percent", maximumFractionDigits: digits });

export function money(amount: string | number, currency: string): string {
  try {
    return number(Number(amount), { style: "currency", currency, currencyDisplay: "narrowSymbol" });
  } catch {
    return `${amount} ${currency}`; // not a currency Intl knows: as the seller wrote it
  }
}

const fill = (text: string, values: Values): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });

/**
 * One set of words. English comes with the code, since it is also the fallback; the others are fetched when chosen.
 * Plural forms end in `.one`, `.other` as Intl names them.
 */
export function lexicon<Key extends string>(english: Record<Key, string>, others: Record<Exclude<Language, "en">, () => Promise<{ default: Words }>>) {
  const fallback: Words = english;
  let words = fallback;
  return {
    async speak(next: Language): Promise<void> {
      words = next === "en" ? fallback : (await others[next]()).default;
      language = next;
    },
    /** The text of `key`, `{name}` filled from `values`. */
    t: (key: Key, values: Values = {}): string => fill(words[key] ?? fallback[key] ?? key, values),
    /** The plural form of `key` for `n`, which also fills `{n}`. */
    plural(key: string, n: number, values: Values = {}): string {
      const form = new Intl.PluralRules(language).select(n);
      return fill(words[`${key}.${form}`] ?? words[`${key}.other`] ?? fallback[`${key}.other`] ?? key, { ...values, n });
    },
    /** The text of a key put together from parts, or `otherwise` where the lexicon has none. */
    word: (key: string, otherwise: string): string => words[key] ?? fallback[key] ?? otherwise,
  };
}
