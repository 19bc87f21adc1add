/** The virtual host that lists are restricted to. */
import { at } from "../api.ts";
import { useLive } from "../live.ts";
import { vhostFilter } from "../preferences.ts";
import type { Vhost } from "../types.ts";

/** The path of a list, of one virtual host or of all. */
export function scoped(path: string): string {
  const vhost = vhostFilter.value;
  return vhost === "" ? path : `${path}${at`/${vhost}`}`;
}

/** The same for lists that are below their virtual host: `/vhosts/NAME/channels`. */
export function scopedBelow(path: string): string {
  const vhost = vhostFilter.value;
  return vhost === "" ? path : `${at`/vhosts/${vhost}`}${path}`;
}

/** The names of the virtual hosts that one may see, the chosen one first. */
export function useVhosts(): string[] {
  const { data } = useLive<Vhost[]>("/vhosts?columns=name");
  const names = data?.map(({ name }) => name) ?? [];
  const chosen = vhostFilter.value || "/";
  return names.includes(chosen) ? [chosen, ...names.filter((name) => name !== chosen)] : names;
}
