/** Requests to the broker's HTTP API, as the user who is logged in. */
import { signal } from "@preact/signals";

/** The header Authorization; none before anybody has logged in. */
export const authorization = signal<string | null>(null);

/** Called when the API says that the login is not good any more. */
export const onLoggedOut: { call: () => void } = { call: () => undefined };

/** An answer that says no, in the API's words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    readonly reason: string,
  ) {
    super(reason || error || `HTTP ${status}`);
  }
}

/** Makes a path of the API, with what is put in encoded: at`/queues/${vhost}/${name}`. */
export function at(parts: TemplateStringsArray, ...values: (string | number)[]): string {
  return parts.reduce((path, part, index) => path + encodeURIComponent(String(values[index - 1])) + part);
}

export function query(parameters: Record<string, string | number | boolean | undefined | null>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") search.append(name, String(value));
  }
  const text = search.toString();
  return text && `?${text}`;
}

/** The same API that the page came from, wherever it is mounted. */
export function urlOf(path: string): string {
  return new URL(`api${path}`, new URL(".", location.href)).href;
}

/** Sends a request; raises ApiError for one that is refused or not answered. Without credentials, so that no browser
 * opens its own login window. */
export async function send(
  path: string,
  options: RequestInit & { login?: string | null } = {},
): Promise<Response> {
  const { login = authorization.peek(), ...init } = options;
  const headers = new Headers(init.headers);
  if (login !== null) headers.set("authorization", login);
  let response: Response;
  try {
    response = await fetch(urlOf(path), { ...init, headers, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The broker does not answer.");
  }
  if (!response.ok) {
    const error = await errorOf(response);
    if (isLoginRefused(error) && login !== null && login === authorization.peek()) onLoggedOut.call();
    throw error;
  }
  return response;
}

/** True if the credentials themselves are refused, and not what was asked for with them: the API spells that with z. */
export function isLoginRefused(error: ApiError): boolean {
  return error.status === 401 && error.error === "not_authorized";
}

async function errorOf(response: Response): Promise<ApiError> {
  return refusalOf(response.status, await response.text().catch(() => ""));
}

/** The error that a body with `error` and `reason` stands for. */
export function refusalOf(status: number, body: string): ApiError {
  try {
    const { error, reason } = JSON.parse(body) as { error?: unknown; reason?: unknown };
    return new ApiError(status, textOf(error), textOf(reason));
  } catch {
    return new ApiError(status, "", body.slice(0, 500));
  }
}

/** A reason as text. Some are terms of Erlang: lists, in which a text may be a list of its characters. */
function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (!Array.isArray(value)) return typeof value === "object" ? JSON.stringify(value) : String(value);
  const isText =
    value.length > 0 && value.every((each) => Number.isInteger(each) && each >= 32 && each < 0x110000);
  return isText ? String.fromCodePoint(...value) : value.map(textOf).join(": ");
}

export async function get<T>(path: string, options: RequestInit & { login?: string } = {}): Promise<T> {
  const response = await send(path, options);
  return (await response.json()) as T;
}

/** Sends a change. The answer's body is read as JSON if it is some. */
export async function change<T = void>(
  method: "PUT" | "POST" | "DELETE",
  path: string,
  body?: unknown,
): Promise<T> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.headers = { "content-type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const response = await send(path, init);
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

export const put = (path: string, body: unknown = {}): Promise<void> => change("PUT", path, body);
export const post = <T = void>(path: string, body: unknown = {}): Promise<T> => change<T>("POST", path, body);
export const remove = (path: string, body?: unknown): Promise<void> => change("DELETE", path, body);
