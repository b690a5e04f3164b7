/** A modal sheet: the browser's own dialog keeps focus inside and gives it back; Escape and a tap beside it close. */
import { useEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { t } from "./i18n";
import { Close } from "./icons";

export function Sheet({ title, kind, onClose, children }: { title: string; kind: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog
      ref={dialog} class={`sheet ${kind}`} aria-label={title} onClose={onClose}
      onClick={(event) => { if (event.target === dialog.current) dialog.current?.close(); }}
    >
      <div class="sheet-body">
        <header>
          <h2>{title}</h2>
          <button class="round" aria-label={t("close")} onClick={() => dialog.current?.close()}><Close /></button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
