/** Line icons, drawn here on a 24-unit grid; each is decoration beside a text or inside a labelled button. */
const line = (path: string) => () => (
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
    <path d={path} />
  </svg>
);

export const Camera = /* @__PURE__ */ line("M4 8h3l1.6-2.5h6.8L17 8h3v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z");
export const Picture = /* @__PURE__ */ line("M4 5h16v14H4zM4 16l4.5-4.5 4 4 2.5-2.5 5 5M15.5 9.5h.01");
export const Close = /* @__PURE__ */ line("M6 6l12 12M18 6L6 18");
export const Down = /* @__PURE__ */ line("M7 10l5 5 5-5");
export const Link = /* @__PURE__ */ line("M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1");
export const Reset = /* @__PURE__ */ line("M5 12a7 7 0 1 0 2.2-5.1M5 4v4h4");
export const Turn = /* @__PURE__ */ line("M4 9a8 8 0 0 1 14-3l2 2M20 4v4h-4M20 15a8 8 0 0 1-14 3l-2-2M4 20v-4h4");
export const Twins = () => (
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
    <rect x="4" y="4" width="11" height="11" rx="2.5" />
    <rect class="fill" x="9" y="9" width="11" height="11" rx="2.5" />
  </svg>
);
export const Outside = /* @__PURE__ */ line("M9 6H5v13h13v-4M13 5h6v6M19 5l-8 8");
export const Thumb = /* @__PURE__ */ line("M7 11v9H4v-9zM7 11l4-7c1.6 0 2.4 1.2 2 2.8L12.4 10H18c1.4 0 2.2 1.1 1.9 2.4l-1.4 6c-.3 1-1 1.6-2 1.6H7");
export const Check = /* @__PURE__ */ line("M5 12.5l4.5 4.5L19 7.5");

/** The mark: two squares of one set, one drawn, one filled. */
export const Mark = () => (
  <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
    <rect x="3" y="3" width="17" height="17" rx="4.5" fill="none" stroke="currentColor" stroke-width="3" />
    <rect class="mark-twin" x="12" y="12" width="18" height="18" rx="5" />
  </svg>
);

/** A tee and the cardigan over it, found by the viewfinder. */
export const Twinset = () => (
  <svg class="twins" viewBox="0 0 230 150" aria-hidden="true">
    <g transform="translate(12 8) rotate(-5 50 50) scale(1.22)">
      <path class="back" d="M36 10C42 19 58 19 64 10L80 17 97 45 82 54 76 45V92H24V45L18 54 3 45 20 17Z" />
      <path d="M32.5 12.5C40 25 60 25 67.5 12.5" />
    </g>
    <g transform="translate(103 14) rotate(4 50 50) scale(1.22)">
      <path class="front" d="M37 10 50 36 63 10 79 17 95 76 81 80 75 50V94H25V50L19 80 5 76 21 17Z" />
      <path class="front-line" d="M50 36V94M50 48h.01M55 56h.01M55 68h.01M55 80h.01M32 72h10M25 88h25M50 88h25" />
    </g>
    <path class="found" d="M98 26V14a8 8 0 0 1 8-8h12M206 6h12a8 8 0 0 1 8 8v12M226 124v12a8 8 0 0 1-8 8h-12M118 144h-12a8 8 0 0 1-8-8v-12" />
  </svg>
);
