/** The first screen: one large place to put a photo, and a few to try. */
import { useEffect, useRef, useState } from "preact/hooks";
import { examples, type Example } from "./api";
import { t } from "./i18n";
import { Camera, Picture, Twinset } from "./icons";
import { Words } from "./words";

interface Props {
  catalogue: string | undefined;
  dragging: boolean;
  onFile: (file: Blob) => void;
  onLink: (link: string) => void;
  onCamera: () => void;
  onExample: (id: string) => void;
  /** Where the model reads words. */
  onWords: ((words: string | undefined) => void) | undefined;
}

export function Start({ catalogue, dragging, onFile, onLink, onCamera, onExample, onWords }: Props) {
  const [shown, setShown] = useState<Example[]>([]);
  const [linking, setLinking] = useState(false);
  const [link, setLink] = useState("");
  const chooser = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (!catalogue) return;
    let here = true;
    examples(catalogue).then((items) => here && setShown(items), () => undefined); // a nicety: the page lives without it
    return () => { here = false; };
  }, [catalogue]);

  return (
    <main class="start" id="main">
      <div class="start-words">
        <h1>{t("title")}</h1>
        <p class="lead">{t("lead")}</p>
      </div>
      <div class={dragging ? "drop is-over" : "drop"}>
        <span class="corner nw" /><span class="corner ne" /><span class="corner se" /><span class="corner sw" />
        <Twinset />
        <div class="drop-inner">
          <button class="button primary big" onClick={() => chooser.current?.click()}><Picture />{t("choose")}</button>
          <button class="button big" onClick={onCamera}><Camera />{t("take")}</button>
          <input
            ref={chooser} class="hidden" type="file" accept="image/*" tabIndex={-1} aria-label={t("choose")} data-testid="choose"
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              event.currentTarget.value = "";
              if (file) onFile(file);
            }}
          />
          <p class="drop-hint">{dragging ? t("drop.now") : t("drop")}</p>
          {!dragging && (linking
            ? <form class="link-form" onSubmit={(event) => { event.preventDefault(); if (link.trim()) onLink(link); }}>
                <label><span class="sr">{t("link.label")}</span><input type="url" inputMode="url" placeholder="https://" required value={link} onInput={(event) => setLink(event.currentTarget.value)} ref={(field) => field?.focus()} /></label>
                <button class="button small">{t("link.go")}</button>
              </form>
            : <button class="drop-link" onClick={() => setLinking(true)}>{t("link")}</button>)}
        </div>
      </div>
      {onWords && <Words words={undefined} alone onWords={onWords} />}
      <p class="privacy">{t("privacy")}</p>
      {shown.length > 0 && (
        <section class="examples" aria-labelledby="examples">
          <h2 id="examples">{t("examples")}</h2>
          <ul>
            {shown.map((example, at) => (
              <li key={example.id}>
                <button onClick={() => onExample(example.id)} aria-label={t("example", { n: at + 1 })}>
                  <img src={`${example.href}?w=480`} alt="" />
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </main>
  );
}
