/** Keys: `/` goes to the filter, `g` and a letter to a page, `?` shows them all. */
import { signal } from "@preact/signals";
import { go } from "./router.ts";

export const isHelpShown = signal(false);

/** Letters that lead to pages behind a `g`. */
export const destinations = new Map<string, { title: string; address: string }>();

const SEQUENCE_MS = 1500;
let startedAt = Number.NEGATIVE_INFINITY;

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

function press(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const isSecond = event.timeStamp - startedAt < SEQUENCE_MS;
  startedAt = Number.NEGATIVE_INFINITY;
  const destination = isSecond ? destinations.get(event.key) : undefined;
  if (destination) {
    event.preventDefault();
    go(destination.address);
  } else if (event.key === "g") {
    startedAt = event.timeStamp;
  } else if (event.key === "?") {
    event.preventDefault();
    isHelpShown.value = true;
  } else {
    const wanted = {
      "/": "[data-key=search]",
      c: "[data-key=create]",
      "[": "[data-key=previous]",
      "]": "[data-key=next]",
    }[event.key];
    const found = wanted ? document.querySelector<HTMLElement>(`main ${wanted}:not(:disabled)`) : null;
    if (!found) return;
    event.preventDefault();
    if (found instanceof HTMLInputElement) {
      found.focus();
      found.select();
    } else found.click();
  }
}

export function startKeyboard(): void {
  addEventListener("keydown", press);
}
