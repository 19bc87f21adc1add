/** Short words about what has been done, shown at the edge and read to those who listen. */
import { signal } from "@preact/signals";

export interface Notice {
  id: number;
  text: string;
}

export const notices = signal<Notice[]>([]);

const SHOWN_MS = 6000;
let last = 0;

export function say(text: string): void {
  const notice = { id: ++last, text };
  notices.value = [...notices.value, notice];
  setTimeout(() => dismiss(notice), SHOWN_MS);
}

export function dismiss(notice: Notice): void {
  notices.value = notices.value.filter(({ id }) => id !== notice.id);
}
