/** The words of the search page and the widget. Keys are those of `lang/en.json`. */
import english from "./lang/en.json";
import { lexicon } from "./speech";

export { LANGUAGES, language, money, number, percent, preferred, settle, type Language } from "./speech";
export type Key = keyof typeof english;

const lexicons = lexicon<Key>(english, {
  ko: () => import("./lang/ko.json"),
  zh: () => import("./lang/zh.json"),
  ja: () => import("./lang/ja.json"),
});
export const { speak, t, plural } = lexicons;

/** A word of a closed list (`kind`, `color`), or the word itself where it is the shop's own. */
export const word = (list: "kind" | "color", value: string): string =>
  lexicons.word(`${list}.${value.toLowerCase()}`, value.replace(/^\p{L}/u, (first) => first.toUpperCase()));
