/** Server-sent events, read from the body of a response: EventSource cannot send a login. */

export interface ServerEvent {
  name: string;
  data: string;
}

/** Cuts a stream of text into events. Text that has not come to its end yet is kept until the rest is there. */
export class EventReader {
  #rest = "";
  #name = "";
  #data: string[] = [];

  read(text: string): ServerEvent[] {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    const found: ServerEvent[] = [];
    for (const line of lines) {
      const event = this.#take(line);
      if (event) found.push(event);
    }
    return found;
  }

  #take(line: string): ServerEvent | undefined {
    if (line === "") {
      const event =
        this.#data.length > 0 ? { name: this.#name || "message", data: this.#data.join("\n") } : undefined;
      this.#name = "";
      this.#data = [];
      return event;
    }
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "event") this.#name = value;
    if (field === "data") this.#data.push(value);
    return undefined; // A line that begins with a colon is a comment.
  }
}

/** Calls for each event of a body until it ends. Raises what reading raises. */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: ServerEvent) => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const events = new EventReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const event of events.read(decoder.decode(value, { stream: true }))) onEvent(event);
  }
}
