/** The pages that there are of a queue. */
import { href } from "../router.ts";

const TABS = [
  ["overview", "Overview"],
  ["messages", "Messages"],
  ["live", "Watch"],
] as const;

export function QueueTabs({ vhost, name, current }: { vhost: string; name: string; current: string }) {
  const addresses = {
    overview: href("queues", vhost, name),
    messages: href("messages", vhost, name),
    live: watch("queues", vhost, name),
  };
  return (
    <nav class="tabs" aria-label="Of the queue">
      {TABS.map(([id, title]) => (
        <a key={id} href={addresses[id]} aria-current={id === current ? "page" : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}

/** The link to the page that shows the messages that pass a queue or an exchange. */
export function watch(kind: "queues" | "exchanges", vhost: string, name: string): string {
  const tap = `/${kind}/${encodeURIComponent(vhost)}/${encodeURIComponent(name || "amq.default")}`;
  return `${href("live")}?${new URLSearchParams({ tap })}`;
}
