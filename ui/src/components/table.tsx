/** Lists: tables that page, sort and filter by the API's own parameters, and stay up to date. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { inline } from "../format.ts";
import { useLive } from "../live.ts";
import { PAGE_SIZES, pageSize, shownColumns } from "../preferences.ts";
import type { Json, Page } from "../types.ts";
import { valueAt } from "../values.ts";
import { Failure, words } from "./form.tsx";
import { type ListState, pageOf, pathOf, useListState } from "./list-state.ts";

/** Of the last column, in characters. */
const ACTIONS_WIDTH = 13;

/** A list of no more than so many rows, which is a part of a page, needs no filter. */
const FEW = 10;

export interface Column<T> {
  /** The path of the value, by which the API sorts. */
  key: string;
  title: string;
  /** What the title leaves open. */
  hint?: string;
  cell?: (row: T) => ComponentChildren;
  isNumber?: boolean;
  /** In characters; a column without a width takes what is left. */
  width?: number;
  /** The paths that the cell reads, if they are others than its key. */
  needs?: string[];
  /** True for one that is not shown until it is chosen. */
  isExtra?: boolean;
  isUnsorted?: boolean;
}

interface Props<T> {
  /** By which the choice of columns is remembered. */
  id: string;
  /** What the list is of, for those who do not see it: "Queues". */
  label: string;
  /** The heading of a list that is a part of a page. */
  title?: string;
  /** Where the API has the list; not for one that is here already. */
  path?: string;
  rows?: T[];
  columns: Column<T>[];
  /** Paths that all rows need, for their keys and links. */
  needs?: string[];
  rowKey: (row: T) => string;
  nameOf: (row: T) => string;
  /** What stands at the end of a row: buttons. */
  actions?: (row: T) => ComponentChildren;
  /** Said when there is nothing at all. */
  empty: ComponentChildren;
  /** Beside the filter. */
  tools?: ComponentChildren;
  /** False for a list that is a part of a page. */
  isInAddress?: boolean;
}

export function Table<T>(props: Props<T>) {
  const { id, path, rows, columns, needs = [], isInAddress = true } = props;
  const [state, change] = useListState(isInAddress);
  const chosen = shownColumns.value[id];
  const shown = columns.filter((column) => (chosen ? chosen.includes(column.key) : !column.isExtra));
  const wanted = [...needs, ...shown.flatMap((column) => column.needs ?? [column.key])];
  const { data, error, isStale } = useLive<Page<T> | T[]>(
    path === undefined ? null : pathOf(path, state, wanted),
  );
  const { page, problem } = pageIn(rows ?? data, state, props);
  useEffect(() => {
    // The list has become shorter than the page that is shown.
    const last = page ? page.page_count : error?.error === "page_out_of_range" ? 1 : state.page;
    if (state.page > Math.max(1, last)) change({ page: Math.max(1, last) });
  }, [page?.page_count, error?.error, state.page]);
  const isFiltered = state.name !== "";
  const hasFilter = isInAddress || isFiltered || (page?.total_count ?? 0) > FEW;
  return (
    <div class="list">
      <div class={props.title ? "toolbar titled" : "toolbar"}>
        {props.title && <h2>{props.title}</h2>}
        {hasFilter && <Filter state={state} change={change} label={props.label} />}
        {page && (hasFilter || page.page_count > 1) && (
          <Pager page={page} change={change} isFiltered={isFiltered} />
        )}
        <span class="spread" />
        <ColumnChooser id={id} columns={columns} shown={shown} />
        {props.tools}
      </div>
      <Failure text={problem ?? (error && error.error !== "page_out_of_range" ? error.message : "")} />
      {page && page.total_count === 0 && !isFiltered ? (
        <div class="empty">{props.empty}</div>
      ) : (
        <Rows {...props} page={page} shown={shown} state={state} change={change} isStale={isStale} />
      )}
      {page && page.filtered_count === 0 && isFiltered && (
        <p class="empty">Nothing here is called like that.</p>
      )}
    </div>
  );
}

/** The page of an answer, which may be the whole list: then what is shown of it is found here. */
function pageIn<T>(
  data: Page<T> | T[] | undefined,
  state: ListState,
  { nameOf }: Props<T>,
): { page?: Page<T>; problem?: string } {
  if (data === undefined) return {};
  if (!Array.isArray(data)) return { page: data };
  try {
    return { page: pageOf(data, state, nameOf) };
  } catch (error) {
    return { problem: words(error) };
  }
}

interface RowsProps<T> extends Props<T> {
  page: Page<T> | undefined;
  shown: Column<T>[];
  state: ListState;
  change: (changes: Partial<ListState>) => void;
  isStale: boolean;
}

function Rows<T>({ label, page, shown, state, change, isStale, rowKey, actions }: RowsProps<T>) {
  const least = shown.reduce((sum, column) => sum + (column.width ?? 22), actions ? ACTIONS_WIDTH : 0);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="scroll" aria-label={label} tabIndex={0}>
      <table
        class={isStale ? "rows stale" : "rows"}
        style={{ minWidth: `${least}ch` }}
        aria-busy={isStale || page === undefined}
      >
        <colgroup>
          {shown.map((column) => (
            <col key={column.key} style={column.width ? { width: `${column.width}ch` } : undefined} />
          ))}
          {actions && <col style={{ width: `${ACTIONS_WIDTH}ch` }} />}
        </colgroup>
        <thead>
          <tr>
            {shown.map((column) => (
              <Heading key={column.key} column={column} state={state} change={change} />
            ))}
            {actions && (
              <th scope="col" class="number">
                <span class="unseen">Actions</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {page?.items.map((row) => (
            <tr key={rowKey(row)}>
              {shown.map((column, index) => (
                <Cell key={column.key} column={column} row={row} isHeading={index === 0} />
              ))}
              {actions && <td class="row-actions">{actions(row)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Cell<T>({ column, row, isHeading }: { column: Column<T>; row: T; isHeading: boolean }) {
  const content = column.cell ? column.cell(row) : text(valueAt(row, column.key));
  const kind = column.isNumber ? "number" : undefined;
  return isHeading ? (
    <th scope="row" class={kind}>
      {content}
    </th>
  ) : (
    <td class={kind}>{content}</td>
  );
}

function text(value: unknown): string {
  return value === undefined || value === null ? "" : inline(value as Json);
}

interface HeadingProps<T> {
  column: Column<T>;
  state: ListState;
  change: (changes: Partial<ListState>) => void;
}

function Heading<T>({ column, state, change }: HeadingProps<T>) {
  const { key, title, hint, isNumber, isUnsorted } = column;
  const isSorted = state.sort === key;
  const order = isSorted ? (state.isReversed ? "descending" : "ascending") : "none";
  const sort = () => {
    // Numbers begin with the largest; the third time is the order of before.
    const first = Boolean(isNumber);
    if (!isSorted) change({ sort: key, isReversed: first, page: 1 });
    else if (state.isReversed === first) change({ isReversed: !first, page: 1 });
    else change({ sort: "", isReversed: false, page: 1 });
  };
  return (
    <th
      scope="col"
      class={isNumber ? "number" : undefined}
      aria-sort={isUnsorted ? undefined : order}
      title={hint}
    >
      {isUnsorted ? (
        title
      ) : (
        <button type="button" class="sort" onClick={sort}>
          {title}
          {isSorted && (
            <span class="order" aria-hidden="true">
              {state.isReversed ? "↓" : "↑"}
            </span>
          )}
        </button>
      )}
    </th>
  );
}

const TYPING_MS = 250;

interface ToolProps {
  state: ListState;
  change: (changes: Partial<ListState>) => void;
  label: string;
}

function Filter({ state, change, label }: ToolProps) {
  const [typed, setTyped] = useState(state.name);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => setTyped(state.name), [state.name]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const type = (name: string) => {
    setTyped(name);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => change({ name, page: 1 }), TYPING_MS);
  };
  return (
    <search class="filter">
      <input
        type="search"
        class="mono"
        data-key="search"
        placeholder="Filter by name  /"
        aria-label={`Filter ${label.toLowerCase()} by name`}
        spellcheck={false}
        value={typed}
        onInput={(event) => type(event.currentTarget.value)}
      />
      <button
        type="button"
        class="toggle mono"
        aria-pressed={state.isRegex}
        aria-label="Regular expression"
        title="Regular expression"
        onClick={() => change({ isRegex: !state.isRegex, page: 1 })}
      >
        .*
      </button>
    </search>
  );
}

interface PagerProps<T> {
  page: Page<T>;
  change: (changes: Partial<ListState>) => void;
  isFiltered: boolean;
}

function Pager<T>({ page, change, isFiltered }: PagerProps<T>) {
  const { page: number, page_count: pages, page_size: size, item_count: shown, filtered_count: found } = page;
  const begin = (number - 1) * size;
  const format = (value: number) => value.toLocaleString("en-US");
  const some =
    found > shown ? `${format(begin + 1)}–${format(begin + shown)} of ${format(found)}` : format(found);
  return (
    <nav class="pager" aria-label="Pages">
      <span class="amount" role="status">
        {some}
        {isFiltered && <span class="muted"> of {format(page.total_count)}</span>}
      </span>
      {pages > 1 && (
        <>
          <button
            type="button"
            data-key="previous"
            disabled={number <= 1}
            aria-label="Previous page"
            onClick={() => change({ page: number - 1 })}
          >
            ‹
          </button>
          <button
            type="button"
            data-key="next"
            disabled={number >= pages}
            aria-label="Next page"
            onClick={() => change({ page: number + 1 })}
          >
            ›
          </button>
        </>
      )}
      {found > PAGE_SIZES[0] && (
        <select
          aria-label="Rows on a page"
          value={String(pageSize.value)}
          onChange={(event) => {
            pageSize.value = Number(event.currentTarget.value);
            change({ page: 1 });
          }}
        >
          {PAGE_SIZES.map((each) => (
            <option key={each} value={String(each)}>
              {each} rows
            </option>
          ))}
        </select>
      )}
    </nav>
  );
}

interface ChooserProps<T> {
  id: string;
  columns: Column<T>[];
  shown: Column<T>[];
}

function ColumnChooser<T>({ id, columns, shown }: ChooserProps<T>) {
  const name = useId();
  if (!columns.some((column) => column.isExtra)) return null;
  const keys = shown.map(({ key }) => key);
  const toggle = (key: string) => {
    const next = columns
      .map((column) => column.key)
      .filter((each) => (each === key ? !keys.includes(key) : keys.includes(each)));
    shownColumns.value = { ...shownColumns.value, [id]: next };
  };
  return (
    <>
      <button type="button" popovertarget={name}>
        Columns
      </button>
      <div id={name} popover="auto" class="popover">
        {columns.slice(1).map(({ key, title, hint }) => (
          <label key={key} class="choice">
            <input type="checkbox" checked={keys.includes(key)} onChange={() => toggle(key)} />
            {hint ?? title}
          </label>
        ))}
      </div>
    </>
  );
}
