/** The words of the operator pages, and the forms of their numbers. */
import { language, lexicon, number } from "../speech";
import english from "./lang/en.json";

export type Key = keyof typeof english;
const lexicons = lexicon<Key>(english, {
  ko: () => import("./lang/ko.json"),
  zh: () => import("./lang/zh.json"),
  ja: () => import("./lang/ja.json"),
});
export const { speak, t, plural, word } = lexicons;

export const bytes = (count: number): string => {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(1, count)) / 10)));
  const unit = (["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const)[power]!;
  return number(count / 1024 ** power, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: power ? 1 : 0 });
};

/** `ms` as milliseconds, seconds, minutes, hours or days, two figures at least. */
export function duration(ms: number): string {
  const steps: [number, string][] = [[86_400_000, "day"], [3_600_000, "hour"], [60_000, "minute"], [1000, "second"]];
  const [size, unit] = steps.find(([size]) => ms >= size) ?? [1, "millisecond"];
  return number(ms / size, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: ms / size < 10 ? 1 : 0 });
}

/** "3 minutes ago". */
export function ago(then: number): string {
  const seconds = (then - Date.now()) / 1000;
  const steps: [number, Intl.RelativeTimeFormatUnit][] = [[86_400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const [size, unit] = steps.find(([size]) => Math.abs(seconds) >= size) ?? [1, "second"];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

export const clock = (then: number): string => new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(then);
