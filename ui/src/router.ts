/** Addresses: the fragments that RabbitMQ's pages have, such as `#/queues/%2F/orders`, and behind a `?` what a page
 * shows of a list. */
import { signal } from "@preact/signals";

export interface Route {
  /** The name of the page: the first segment, or nothing for the overview. */
  page: string;
  /** The other segments, decoded. */
  names: string[];
  query: URLSearchParams;
}

export function parse(fragment: string): Route {
  const [path = "", search = ""] = splitOnce(fragment.replace(/^#?\/?/, ""), "?");
  const [page = "", ...names] = path
    .split("/")
    .filter((segment) => segment !== "")
    .map(decoded);
  return { page, names, query: new URLSearchParams(search) };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** A segment of an address as it was before it was encoded; as it is, if it is none. */
export function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** The link to a page: href("queues", "/", "orders"). */
export function href(...segments: string[]): string {
  return `#/${segments.map(encodeURIComponent).join("/")}`;
}

export const route = signal<Route>(parse(""));

export function go(address: string): void {
  location.hash = address;
}

/** The fragment that `route` was read from. */
let current = "";

function fragment(): string {
  // Not location.hash, which some browsers decode.
  return splitOnce(location.href, "#")[1];
}

function addressOf({ page, names, query }: Route): string {
  const search = query.toString();
  return href(...[page, ...names].filter((segment) => segment !== "")) + (search && `?${search}`);
}

/** Changes what a page shows, without another entry in the history; not if that page has been left meanwhile. */
export function setQuery(of: Route, changes: Record<string, string | undefined>): void {
  const { page, names, query } = route.peek();
  const isLeft = fragment() !== current || page !== of.page || names.join("/") !== of.names.join("/");
  if (isLeft) return;
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === "") next.delete(name);
    else next.set(name, value);
  }
  const changed = { page, names, query: next };
  history.replaceState(null, "", addressOf(changed));
  current = fragment();
  route.value = changed;
}

function read(): void {
  current = fragment();
  route.value = parse(current);
}

/** True once one has gone from one page to another. */
export let hasMoved = false;

export function startRouter(): void {
  addEventListener("hashchange", () => {
    hasMoved = true;
    read();
  });
  read();
}
