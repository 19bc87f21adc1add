/** What this browser remembers: the theme, the range of charts, hidden columns. */
import { effect, type Signal, signal } from "@preact/signals";

function remembered<T>(key: string, initial: T, isValid: (value: unknown) => value is T): Signal<T> {
  const name = `amqpy.${key}`;
  let value = initial;
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(name) ?? "null");
    if (isValid(stored)) value = stored;
  } catch {
    // Not ours, or there is no storage.
  }
  const found = signal(value);
  effect(() => {
    try {
      localStorage.setItem(name, JSON.stringify(found.value));
    } catch {
      // No storage: it is forgotten with the page.
    }
  });
  return found;
}

function oneOf<T>(values: readonly T[]): (value: unknown) => value is T {
  return (value): value is T => values.includes(value as T);
}

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
export const theme = remembered<Theme>("theme", "auto", oneOf(THEMES));

const darkness = matchMedia("(prefers-color-scheme: dark)");
const prefersDark = signal(darkness.matches);
darkness.addEventListener("change", () => {
  prefersDark.value = darkness.matches;
});

/** The theme that is in effect, once it has been put on the document. */
export const isDark = signal(false);

effect(() => {
  const dark = theme.value === "dark" || (theme.value === "auto" && prefersDark.value);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  isDark.value = dark;
});

/** How far back charts go: the parameters of the API that ask for samples, in seconds. */
export const RANGES = [
  { name: "10 min", age: 600, step: 5 },
  { name: "1 h", age: 3600, step: 60 },
  { name: "8 h", age: 28_800, step: 600 },
  { name: "1 d", age: 86_400, step: 1800 },
] as const;
export type Range = (typeof RANGES)[number];
const rangeName = remembered<string>("range", "10 min", oneOf(RANGES.map(({ name }) => name as string)));

export const range = {
  get value(): Range {
    return RANGES.find(({ name }) => name === rangeName.value) ?? RANGES[0];
  },
  set value(chosen: Range) {
    rangeName.value = chosen.name;
  },
};

/** The virtual host that lists are restricted to; none for all. */
export const vhostFilter = remembered<string>(
  "vhost",
  "",
  (value): value is string => typeof value === "string",
);

function isColumns(value: unknown): value is Record<string, string[]> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The columns that are shown of a table, by its name, where they are not those of the beginning. */
export const shownColumns = remembered<Record<string, string[]>>("columns", {}, isColumns);

export const PAGE_SIZES = [50, 100, 250, 500] as const;
export const pageSize = remembered<number>("page-size", 100, oneOf<number>(PAGE_SIZES));
