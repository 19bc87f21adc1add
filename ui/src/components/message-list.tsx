/** A list of messages, of which one at a time is shown in full. */
import type { ComponentChildren } from "preact";
import { bytes, duration, visible } from "../format.ts";
import type { Message } from "../message-types.ts";
import { deathsOf, headersOf } from "../messages/deaths.ts";
import { snippet } from "../messages/payload.ts";
import { ChannelName, ExchangeName, Tag } from "./facts.tsx";

interface Props {
  label: string;
  of: Message[];
  vhost: string;
  /** The index of the one that is shown in full. */
  open: number | undefined;
  onOpen: (index: number | undefined) => void;
  /** The message in full. */
  full: (message: Message, index: number) => ComponentChildren;
  isStale?: boolean;
}

export function MessageList({ label, of, vhost, open, onOpen, full, isStale = false }: Props) {
  const hasHolder = of.some((message) => message.channel_details !== undefined);
  const columns = hasHolder ? 7 : 6;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="scroll" aria-label={label} tabIndex={0}>
      <table class={isStale ? "rows messages stale" : "rows messages"} aria-busy={isStale}>
        <colgroup>
          <col class="position" />
          <col class="exchange" />
          <col class="key" />
          {hasHolder && <col class="holder" />}
          <col class="size" />
          <col class="marks" />
          <col />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">No.</th>
            <th scope="col">Exchange</th>
            <th scope="col">Routing key</th>
            {hasHolder && <th scope="col">Held by</th>}
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">Marks</th>
            <th scope="col">Body</th>
          </tr>
        </thead>
        <tbody>
          {of.map((message, index) => (
            <Row
              key={index}
              of={message}
              index={index}
              vhost={vhost}
              hasHolder={hasHolder}
              isOpen={open === index}
              onOpen={onOpen}
            >
              {open === index && (
                <tr class="full">
                  <td colSpan={columns}>{full(message, index)}</td>
                </tr>
              )}
            </Row>
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface RowProps {
  of: Message;
  index: number;
  vhost: string;
  hasHolder: boolean;
  isOpen: boolean;
  onOpen: (index: number | undefined) => void;
  children: ComponentChildren;
}

function Row({ of, index, vhost, hasHolder, isOpen, onOpen, children }: RowProps) {
  const toggle = () => onOpen(isOpen ? undefined : index);
  const number = of.position ?? index + 1;
  return (
    <>
      <tr
        class={isOpen ? "open" : undefined}
        onClick={(event) => {
          const isLink = event.target instanceof Element && event.target.closest("a, button");
          const isSelecting = getSelection()?.isCollapsed === false;
          if (!isLink && !isSelecting) toggle();
        }}
      >
        <th scope="row">
          <button
            type="button"
            class="quiet expand mono"
            aria-expanded={isOpen}
            aria-label={`Message ${number}`}
            onClick={toggle}
          >
            <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span> {number}
          </button>
        </th>
        <td>
          <ExchangeName vhost={vhost} name={of.exchange} />
        </td>
        <td class="mono">{visible(of.routing_key)}</td>
        {hasHolder && <td>{of.channel_details && <ChannelName name={of.channel_details.name} />}</td>}
        <td class="number">{bytes(of.payload_bytes)}</td>
        <td>
          <Marks of={of} />
        </td>
        <td class="mono snippet">{snippet(of)}</td>
      </tr>
      {children}
    </>
  );
}

function Marks({ of }: { of: Message }) {
  const properties = Array.isArray(of.properties) ? {} : of.properties;
  const last = deathsOf(headersOf(of)).at(-1);
  return (
    <span class="tags">
      {properties.delivery_mode === 2 && <Tag short="P" title="persistent" />}
      {of.redelivered && <Tag short="R" title="redelivered" kind="warn" />}
      {of.ttl !== undefined && <Tag short={`TTL ${duration(of.ttl)}`} title="until it expires" />}
      {of.retry_in !== undefined && (
        <Tag short={`in ${duration(of.retry_in)}`} title="until it is tried again" />
      )}
      {last && <Tag short={last.reason || "died"} title={`died in ${last.queue}`} kind="warn" />}
    </span>
  );
}
