/** Filters from the answer's facets, and the order of results. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import type { FacetValue } from "./api";
import { isFiltered, LISTS, NO_FILTERS, type Filters, type List, type Sort } from "./address";
import { number, t, word } from "./i18n";
import { Check, Close, Down } from "./icons";

export type Facets = Partial<Record<List, FacetValue[]>>;

/** A button with a panel: beside it on a desk, a sheet from below on a phone. */
function Menu({ label, count, children }: { label: string; count: number; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const whole = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => { if (!whole.current?.contains(event.target as Node)) setOpen(false); };
    const escape = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    document.addEventListener("keydown", escape);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
      document.removeEventListener("keydown", escape);
    };
  }, [open]);
  const close = () => { setOpen(false); button.current?.focus(); };
  return (
    <div class="menu" ref={whole}>
      <button ref={button} class="pill" aria-expanded={open} data-on={count > 0} onClick={() => setOpen(!open)}>
        {label}{count > 0 && <span class="count">{number(count)}</span>}<Down />
      </button>
      {open && (
        <>
          <div class="menu-shade" onClick={close} />
          <div class="menu-panel" role="group" aria-label={label}>
            <div class="menu-head"><strong>{label}</strong><button class="round" aria-label={t("close")} onClick={close}><Close /></button></div>
            {children}
            <button class="button primary menu-done" onClick={close}>{t("filter.done")}</button>
          </div>
        </>
      )}
    </div>
  );
}

const shown = (list: List, value: string): string =>
  list === "color" ? word("color", value) : list === "category" ? word("kind", value.split(" > ").pop() ?? value) : value;

interface Props {
  facets: Facets;
  filters: Filters;
  sort: Sort;
  onFilters: (filters: Filters) => void;
  onSort: (sort: Sort) => void;
}

export function FilterBar({ facets, filters, sort, onFilters, onSort }: Props) {
  const toggle = (list: List, value: string) => {
    const now = filters.lists[list] ?? [];
    const next = now.includes(value) ? now.filter((one) => one !== value) : [...now, value];
    const lists = { ...filters.lists };
    if (next.length) lists[list] = next;
    else delete lists[list];
    onFilters({ ...filters, lists });
  };
  return (
    <div class="filters" role="group" aria-label={t("filters")}>
      {LISTS.map((list) => {
        const chosen = filters.lists[list] ?? [];
        const values = facets[list] ?? [];
        const all = [...values, ...chosen.filter((one) => !values.some(({ value }) => value === one)).map((value) => ({ value, count: 0 }))];
        if (all.length < 2 && chosen.length === 0) return null; // nothing to choose between
        return (
          <Menu key={list} label={t(`filter.${list}`)} count={chosen.length}>
            <ul class="options">
              {all.map(({ value, count }) => (
                <li key={value}>
                  <label>
                    <input type="checkbox" checked={chosen.includes(value)} onChange={() => toggle(list, value)} />
                    <span class="tick"><Check /></span>
                    {list === "color" && <span class="swatch" data-colour={value.toLowerCase()} />}
                    <span class="option-name">{shown(list, value)}</span>
                    <span class="option-count">{number(count)}</span>
                  </label>
                </li>
              ))}
            </ul>
          </Menu>
        );
      })}
      <Menu label={t("filter.price")} count={Number(filters.min !== undefined) + Number(filters.max !== undefined)}>
        <PriceRange filters={filters} onFilters={onFilters} />
      </Menu>
      <button class="pill" aria-pressed={filters.stock} data-on={filters.stock} onClick={() => onFilters({ ...filters, stock: !filters.stock })}>
        {t("filter.stock")}
      </button>
      {isFiltered(filters) && <button class="pill clear" onClick={() => onFilters(NO_FILTERS)}>{t("filter.clear")}</button>}
      <label class="sort">
        <span class="sr">{t("sort")}</span>
        <select value={sort} onChange={(event) => onSort(event.currentTarget.value as Sort)}>
          <option value="similarity">{t("sort.similarity")}</option>
          <option value="price">{t("sort.price")}</option>
          <option value="price_desc">{t("sort.price_desc")}</option>
        </select>
        <Down />
      </label>
    </div>
  );
}

function PriceRange({ filters, onFilters }: { filters: Filters; onFilters: (filters: Filters) => void }) {
  const timer = useRef(0);
  const set = (which: "min" | "max", text: string) => {
    clearTimeout(timer.current);
    const value = text === "" ? undefined : Math.max(0, Number(text));
    timer.current = window.setTimeout(() => onFilters({ ...filters, [which]: Number.isFinite(value) ? value : undefined }), 400);
  };
  const field = (which: "min" | "max") => (
    <label>
      {t(`filter.${which}`)}
      <input type="number" inputMode="decimal" min={0} value={filters[which] ?? ""} onInput={(event) => set(which, event.currentTarget.value)} />
    </label>
  );
  return <div class="range">{field("min")}<span aria-hidden="true">–</span>{field("max")}</div>;
}
