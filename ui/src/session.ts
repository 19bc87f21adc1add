/** Who is logged in, and what the API will let them do. */
import { computed, signal } from "@preact/signals";
import { ApiError, authorization, get, onLoggedOut } from "./api.ts";
import type { WhoAmI } from "./types.ts";

const KEY = "amqpy.authorization";

export const user = signal<WhoAmI | null>(null);

/** True until it is settled whether there is a login already. */
export const isStarting = signal(true);

/** Why one has to log in again, if one was thrown out. */
export const loginNotice = signal("");

export const tags = computed<string[]>(() => tagsOf(user.value?.tags ?? []));

/** Older versions have a text with commas. */
export function tagsOf(value: string[] | string): string[] {
  const list = typeof value === "string" ? value.split(",") : value;
  return list.map((tag) => tag.trim()).filter((tag) => tag !== "");
}

export const isAdministrator = computed(() => tags.value.includes("administrator"));
export const isMonitor = computed(() => isAdministrator.value || tags.value.includes("monitoring"));
export const isPolicymaker = computed(() => isAdministrator.value || tags.value.includes("policymaker"));

export function basic(name: string, password: string): string {
  const octets = new TextEncoder().encode(`${name}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...octets))}`;
}

/** Logs in; raises ApiError. */
export async function logIn(login: string): Promise<void> {
  const found = await get<WhoAmI>("/whoami", { login });
  authorization.value = login;
  sessionStorage.setItem(KEY, login);
  loginNotice.value = "";
  user.value = found;
}

export function logOut(notice = ""): void {
  sessionStorage.removeItem(KEY);
  sessionStorage.setItem(`${KEY}.out`, "1");
  authorization.value = null;
  user.value = null;
  loginNotice.value = notice;
}

onLoggedOut.call = () => logOut("The login is not valid any more.");

/** Takes the login of before, or, on this machine, tries RabbitMQ's default user, unless somebody has logged out. */
export async function start(): Promise<void> {
  const stored = sessionStorage.getItem(KEY);
  const isFirst = sessionStorage.getItem(`${KEY}.out`) === null;
  const guesses = stored
    ? [stored]
    : isFirst && isLoopback(location.hostname)
      ? [basic("guest", "guest")]
      : [];
  for (const guess of guesses) {
    try {
      await logIn(guess);
    } catch (error) {
      if (error instanceof ApiError && error.status === 0) loginNotice.value = error.message;
    }
  }
  isStarting.value = false;
}

export function isLoopback(host: string): boolean {
  return (
    host === "localhost" ||
    host.endsWith(".localhost") ||
    host === "[::1]" ||
    /^127(\.\d{1,3}){3}$/.test(host)
  );
}
