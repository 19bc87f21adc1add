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

function decoded(segment: string): string {
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

/** Changes what the page shows without another entry in the history. */
export function setQuery(changes: Record<string, string | undefined>): void {
  const { page, names, query } = route.peek();
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === "") next.delete(name);
    else next.set(name, value);
  }
  const search = next.toString();
  const address = href(...[page, ...names].filter((segment) => segment !== "")) + (search && `?${search}`);
  history.replaceState(null, "", address);
  route.value = { page, names, query: next };
}

function read(): void {
  // Not location.hash, which some browsers decode.
  route.value = parse(splitOnce(location.href, "#")[1]);
}

export function startRouter(): void {
  addEventListener("hashchange", read);
  read();
}
