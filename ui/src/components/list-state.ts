/** What is shown of a list: the page, the filter and the order. */
import { useState } from "preact/hooks";
import { pageSize } from "../preferences.ts";
import { route, setQuery } from "../router.ts";
import type { Page } from "../types.ts";
import { valueAt } from "../values.ts";

export interface ListState {
  page: number;
  name: string;
  isRegex: boolean;
  sort: string;
  isReversed: boolean;
}

type Changes = Partial<ListState>;

/** The state of a list, in the address, so that a link or a reload shows the same; or only in the page. */
export function useListState(isInAddress: boolean): [ListState, (changes: Changes) => void] {
  const [own, setOwn] = useState<ListState>({
    page: 1,
    name: "",
    isRegex: false,
    sort: "",
    isReversed: false,
  });
  if (!isInAddress) return [own, (changes) => setOwn((before) => ({ ...before, ...changes }))];
  const shown = route.value;
  const { query } = shown;
  const state: ListState = {
    page: Math.max(1, Math.floor(Number(query.get("page") ?? "1")) || 1),
    name: query.get("name") ?? "",
    isRegex: query.get("use_regex") === "true",
    sort: query.get("sort") ?? "",
    isReversed: query.get("sort_reverse") === "true",
  };
  return [state, (changes) => setQuery(shown, written({ ...state, ...changes }))];
}

function written({ page, name, isRegex, sort, isReversed }: ListState): Record<string, string | undefined> {
  return {
    page: page > 1 ? String(page) : undefined,
    name,
    use_regex: isRegex ? "true" : undefined,
    sort,
    sort_reverse: isReversed ? "true" : undefined,
  };
}

/** The path of what is shown of a list. */
export function pathOf(
  path: string,
  { page, name, isRegex, sort, isReversed }: ListState,
  columns: string[],
): string {
  const parameters: [string, string][] = [
    ["page", String(page)],
    ["page_size", String(pageSize.value)],
  ];
  if (name !== "") parameters.push(["name", name], ["use_regex", String(isRegex)]);
  if (sort !== "") parameters.push(["sort", sort], ["sort_reverse", String(isReversed)]);
  if (columns.length > 0) parameters.push(["columns", [...new Set(columns)].join(",")]);
  return `${path}${path.includes("?") ? "&" : "?"}${new URLSearchParams(parameters)}`;
}

/** What a list shows that the API gave as a whole: not every list there has pages. Raises SyntaxError for a pattern
 * that is none. */
export function pageOf<T>(rows: T[], state: ListState, nameOf: (row: T) => string): Page<T> {
  const matches = matcher(state);
  const found = rows.filter((row) => matches(nameOf(row)));
  if (state.sort !== "")
    found.sort((one, other) => compare(valueAt(one, state.sort), valueAt(other, state.sort)));
  if (state.isReversed) found.reverse();
  const size = pageSize.value;
  const begin = (state.page - 1) * size;
  const items = found.slice(begin, begin + size);
  return {
    items,
    page: state.page,
    page_count: Math.ceil(found.length / size),
    page_size: size,
    item_count: items.length,
    filtered_count: found.length,
    total_count: rows.length,
  };
}

function matcher({ name, isRegex }: ListState): (text: string) => boolean {
  if (name === "") return () => true;
  if (isRegex) {
    const pattern = new RegExp(name, "i");
    return (text) => pattern.test(text);
  }
  const sought = name.toLowerCase();
  return (text) => text.toLowerCase().includes(sought);
}

function compare(one: unknown, other: unknown): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (one === undefined || other === undefined)
    return Number(one !== undefined) - Number(other !== undefined);
  const [left, right] = [one, other].map((value) =>
    typeof value === "string" ? value : JSON.stringify(value),
  );
  return (left ?? "") < (right ?? "") ? -1 : Number(left !== right);
}
