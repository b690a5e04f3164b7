/** The photo that is searched with: found articles to tap, the chosen box with handles, chips for the kinds. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Answer, Box, Region } from "./api";
import { WHOLE } from "./address";
import { t, word } from "./i18n";
import { Reset } from "./icons";
import type { Photo } from "./photo";

const SMALLEST = 0.04;
const WAIT_MS = 250;
const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"] as const;
type Handle = (typeof HANDLES)[number];

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** `box` with one handle moved by (dx, dy), kept inside the photo and not smaller than can be gripped. */
function moved(box: Box, handle: Handle | "all", dx: number, dy: number): Box {
  if (handle === "all") return { ...box, x: clamp(box.x + dx, 0, 1 - box.w), y: clamp(box.y + dy, 0, 1 - box.h) };
  let [x0, y0, x1, y1] = [box.x, box.y, box.x + box.w, box.y + box.h];
  if (handle.includes("w")) x0 = clamp(x0 + dx, 0, x1 - SMALLEST);
  if (handle.includes("e")) x1 = clamp(x1 + dx, x0 + SMALLEST, 1);
  if (handle.includes("n")) y0 = clamp(y0 + dy, 0, y1 - SMALLEST);
  if (handle.includes("s")) y1 = clamp(y1 + dy, y0 + SMALLEST, 1);
  return { x: x0, y: y0, w: x1 - x0, h: y1 - y0 };
}

export const place = (box: Box) => ({
  left: `${box.x * 100}%`, top: `${box.y * 100}%`, width: `${box.w * 100}%`, height: `${box.h * 100}%`,
});

/** "Dress", or "Dress 2" where the photo has several. */
export function regionName(regions: Region[], region: Region): string {
  const same = regions.filter((other) => other.kind === region.kind);
  return same.length > 1 ? `${word("kind", region.kind)} ${same.indexOf(region) + 1}` : word("kind", region.kind);
}

const MOST_REGIONS = 6;
/** Far below the most certain one it is a guess, and not worth a dot. */
const SURE_ENOUGH = 0.4;
/** Two boxes that overlap so much (intersection over union) show the same. */
const SAME_PLACE = 0.45;

/** The searched region and the certain ones beside it: more dots than these cannot be tapped apart. */
export function worthShowing({ regions, searched_region }: Answer): Region[] {
  const searched = regions.filter(({ id }) => id === searched_region);
  const shown = [...searched];
  for (const one of regions) {
    const sure = one.score >= SURE_ENOUGH * (regions[0]?.score ?? 0);
    if (shown.length < MOST_REGIONS && sure && shown.every((other) => overlap(one.box, other.box) < SAME_PLACE)) shown.push(one);
  }
  return shown.sort((a, b) => a.id - b.id);
}

function overlap(a: Box, b: Box): number {
  const w = Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x);
  const h = Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y);
  return w > 0 && h > 0 ? (w * h) / (a.w * a.h + b.w * b.h - w * h) : 0;
}

interface Props {
  photo: Photo;
  alt: string;
  regions: Region[];
  chosen: Box | "all" | undefined;
  /** The region that `chosen` is, if it is one. */
  region: Region | undefined;
  busy: boolean;
  onChoose: (box: Box | "all", byHand: boolean) => void;
  onReset: (() => void) | undefined;
}

export function Query({ photo, alt, regions, chosen, region, busy, onChoose, onReset }: Props) {
  const stage = useRef<HTMLDivElement>(null);
  const [draft, setDraft] = useState<Box | null>(null);
  const timer = useRef(0);
  const whole = chosen === "all";
  const box = draft ?? (whole || !chosen ? WHOLE : chosen);
  const dimmed = draft !== null || (!whole && chosen !== undefined);

  /** Where the next movement begins, also before the last one is drawn. */
  const latest = useRef(box);
  latest.current = box;

  const settle = () => {
    clearTimeout(timer.current);
    timer.current = 0;
  };
  // What was sent comes back as chosen. A movement made since then still waits: it counts, and is not undone.
  useEffect(() => { if (timer.current === 0) setDraft(null); }, [chosen]);
  useEffect(() => settle, []);

  const choose = (next: Box | "all", byHand: boolean) => {
    settle();
    if (!byHand) setDraft(null);
    onChoose(next, byHand);
  };
  const later = (next: Box) => {
    setDraft(next);
    latest.current = next;
    settle();
    timer.current = window.setTimeout(() => choose(next, true), WAIT_MS);
  };

  const grip = (handle: Handle | "all") => (event: PointerEvent) => {
    if (event.button !== 0 || !stage.current) return;
    if (handle === "all" && event.pointerType !== "mouse") return; // a finger inside the box scrolls the page
    event.preventDefault();
    const held = event.currentTarget as HTMLElement;
    const frame = stage.current.getBoundingClientRect();
    const [startX, startY, from] = [event.clientX, event.clientY, latest.current];
    let next = from;
    settle();
    held.setPointerCapture(event.pointerId);
    const move = (now: PointerEvent) => {
      next = moved(from, handle, (now.clientX - startX) / frame.width, (now.clientY - startY) / frame.height);
      setDraft(next);
    };
    const end = () => {
      held.removeEventListener("pointermove", move);
      held.removeEventListener("pointerup", end);
      held.removeEventListener("pointercancel", end);
      if (next !== from) later(next);
    };
    held.addEventListener("pointermove", move);
    held.addEventListener("pointerup", end);
    held.addEventListener("pointercancel", end);
  };

  const keys = (handle: Handle | "all") => (event: KeyboardEvent) => {
    const step = event.shiftKey ? 0.05 : 0.01;
    const by: Record<string, [number, number]> = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const way = by[event.key];
    if (way) {
      event.preventDefault();
      later(moved(latest.current, handle, way[0], way[1]));
    } else if (event.key === "Enter" && draft) {
      event.preventDefault();
      choose(latest.current, true);
    }
  };

  return (
    <section class="query" aria-label={t("photo")}>
      <div class="stage-fit">
        <div
          class={busy ? "stage is-busy" : "stage"} ref={stage}
          style={{ aspectRatio: `${photo.width} / ${photo.height}`, "--ratio": String(photo.width / photo.height) }}
        >
          <img src={photo.url} alt={alt} draggable={false} />
          <div class="veil" aria-hidden="true">{dimmed && <div class="light" style={place(box)} />}</div>
          <div class="frame" role="group" aria-label={t("crop")} style={place(box)}>
            <div class="frame-move" tabIndex={0} role="button" aria-label={t("crop")} onPointerDown={grip("all")} onKeyDown={keys("all")} />
            {HANDLES.map((handle) => (
              <button key={handle} class={`handle ${handle}`} aria-label={t(`crop.${handle}`)} onPointerDown={grip(handle)} onKeyDown={keys(handle)} />
            ))}
          </div>
          {regions.map((one, at) => {
            const mine = one === region && !draft;
            if (mine) return null;
            return (
              <span key={one.id}>
                <span class="outline" style={place(one.box)} aria-hidden="true" />
                <button
                  class="dot" onClick={() => choose(one.box, false)}
                  style={{ left: `${(one.box.x + one.box.w / 2) * 100}%`, top: `${(one.box.y + one.box.h / 2) * 100}%` }}
                  aria-label={t("box.of", { kind: regionName(regions, one), n: at + 1, total: regions.length })}
                />
              </span>
            );
          })}
        </div>
      </div>
      <div class="chips" role="group" aria-label={t("chips")}>
        {regions.map((one) => (
          <button key={one.id} class="chip" aria-pressed={one === region} onClick={() => choose(one.box, false)}>
            <CropThumb photo={photo} box={one.box} side={28} />{regionName(regions, one)}
          </button>
        ))}
        {chosen && chosen !== "all" && !region && <button class="chip" aria-pressed={true}><CropThumb photo={photo} box={chosen} side={28} />{t("own")}</button>}
        <button class="chip" aria-pressed={whole} onClick={() => choose("all", false)}><CropThumb photo={photo} box={WHOLE} side={28} />{t("whole")}</button>
        {onReset && <button class="chip quiet" onClick={() => { settle(); setDraft(null); onReset(); }}><Reset />{t("crop.reset")}</button>}
      </div>
    </section>
  );
}

/** A square window onto the part `box` of the photo. */
export function CropThumb({ photo, box, side }: { photo: Photo; box: Box; side: number }) {
  const [bw, bh] = [box.w * photo.width, box.h * photo.height];
  const scale = side / Math.max(1, Math.min(bw, bh));
  const left = side / 2 - (box.x * photo.width + bw / 2) * scale;
  const top = side / 2 - (box.y * photo.height + bh / 2) * scale;
  return (
    <span class="crop" aria-hidden="true" style={{ width: `${side}px`, height: `${side}px` }}>
      <img src={photo.url} alt="" style={{ width: `${photo.width * scale}px`, height: `${photo.height * scale}px`, left: `${left}px`, top: `${top}px` }} />
    </span>
  );
}
