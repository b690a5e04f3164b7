/** Words in place of a photo, or beside it: "this, but in red". Only where the catalogue's model reads them. */
import { useEffect, useState } from "preact/hooks";
import { t } from "./i18n";

/** Longer texts are no description of a garment; models read some dozens of words. */
const MOST = 200;

interface Props {
  words: string | undefined;
  /** There is no photo. */
  alone: boolean;
  /** Nothing: the words are taken back. */
  onWords: (words: string | undefined) => void;
}

export function Words({ words = "", alone, onWords }: Props) {
  const [text, setText] = useState(words);
  useEffect(() => setText(words), [words]);
  return (
    <form class="words" role="search" onSubmit={(event) => { event.preventDefault(); if (text.trim() || !alone) onWords(text.trim() || undefined); }}>
      <label>
        <span>{t(!alone ? "words.beside" : words ? "sheet.words" : "words.alone")}</span>
        <input
          type="search" enterKeyHint="search" maxLength={MOST} placeholder={t(alone ? "words.alone.hint" : "words.beside.hint")}
          value={text} onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button class="button small">{t("words.go")}</button>
    </form>
  );
}
