/** The messages of a queue: looked at without taking them, sought, got, published, moved. */
import { useEffect, useState } from "preact/hooks";
import { ApiError, at, get, query } from "../api.ts";
import { DialogButton } from "../components/dialog.tsx";
import { Heading } from "../components/facts.tsx";
import { FilterFields } from "../components/filter-fields.tsx";
import { Failure, Form, words } from "../components/form.tsx";
import { GetButton, Got } from "../components/get-messages.tsx";
import { MessageView } from "../components/message.tsx";
import { MessageList } from "../components/message-list.tsx";
import { Missing } from "../components/missing.tsx";
import { MoveButton } from "../components/move.tsx";
import { PublishButton } from "../components/publish.tsx";
import { QueueTabs } from "../components/queue-tabs.tsx";
import { count, list, plural, time } from "../format.ts";
import { useLive } from "../live.ts";
import type { Found, Message, MessageFilter, MessageState } from "../message-types.ts";
import { deathsOf, headersOf } from "../messages/deaths.ts";
import { draftOf, emptyDraft } from "../messages/drafts.ts";
import { conditions, filterIn, filterLike, filterOf, isEmpty } from "../messages/filter.ts";
import { isWhole, SHOWN_BYTES } from "../messages/payload.ts";
import { type Route, route, setQuery } from "../router.ts";
import type { Queue } from "../types.ts";

const PAGE_SIZE = 50;
/** Of bodies in lists. */
const LISTED_BYTES = 256;

export function MessagesPage({ names }: { names: string[] }) {
  const [vhost, name] = names;
  if (vhost === undefined || name === undefined)
    return (
      <>
        <Heading title="Messages" />
        <p>
          Messages are in queues: choose one in the <a href="#/queues">list of queues</a>.
        </p>
      </>
    );
  return <Messages vhost={vhost} name={name} />;
}

const STATES: { id: MessageState; title: string; meaning: string }[] = [
  { id: "ready", title: "Ready", meaning: "They wait for a consumer." },
  { id: "unacked", title: "Unacknowledged", meaning: "They were delivered, and not acknowledged yet." },
  { id: "held", title: "Held back", meaning: "They wait until they are tried again." },
];

interface Shown {
  state: MessageState;
  offset: number;
  filter: MessageFilter;
}

function shownIn({ query: given }: Route): Shown {
  const state = STATES.find(({ id }) => id === given.get("state"))?.id ?? "ready";
  const offset = Math.max(0, Math.floor(Number(given.get("offset") ?? 0)) || 0);
  return { state, offset, filter: filterIn(given.get("filter")) };
}

type QueueNow = Pick<Queue, "messages_ready" | "messages_unacknowledged" | "messages">;

function Messages({ vhost, name }: { vhost: string; name: string }) {
  const path = at`/queues/${vhost}/${name}`;
  const address = route.value;
  const shown = shownIn(address);
  const { data: queue, error } = useLive<QueueNow>(
    `${path}?columns=messages,messages_ready,messages_unacknowledged`,
  );
  const [version, setVersion] = useState(0);
  const [got, setGot] = useState<{ messages: Message[]; words: string }>();
  const renew = () => setVersion(version + 1);
  if (error?.status === 404)
    return <Missing what="queue" name={name} list="queues" wasThere={queue !== undefined} />;
  const change = (changes: Record<string, string | undefined>) =>
    setQuery(address, { offset: undefined, ...changes });
  return (
    <>
      <Heading
        kind="Messages of"
        title={name}
        tools={
          <>
            <GetButton
              path={path}
              onGot={(messages, said) => {
                setGot({ messages, words: said });
                renew();
              }}
            />
            <MoveButton vhost={vhost} queue={name} filter={shown.filter} label="Move…" onMoved={renew} />
            <PublishButton vhost={vhost} draft={emptyDraft("", name)} hotkey="create" />
          </>
        }
      />
      <QueueTabs vhost={vhost} name={name} current="messages" />
      {got && <Got of={got} vhost={vhost} queue={name} onClose={() => setGot(undefined)} />}
      <div class="toolbar">
        <fieldset class="segments" aria-label="State of the messages">
          {STATES.map(({ id, title, meaning }) => (
            <button
              key={id}
              type="button"
              title={meaning}
              aria-pressed={shown.state === id}
              onClick={() => change({ state: id === "ready" ? undefined : id })}
            >
              {title} <Amount of={queue} state={id} />
            </button>
          ))}
        </fieldset>
        <SearchButton
          filter={shown.filter}
          onSearch={(filter) => change({ filter: isEmpty(filter) ? undefined : JSON.stringify(filter) })}
        />
        <button type="button" onClick={renew}>
          Look again
        </button>
      </div>
      <Contents vhost={vhost} name={name} shown={shown} version={version} renew={renew} change={change} />
    </>
  );
}

function Amount({ of, state }: { of: QueueNow | undefined; state: MessageState }) {
  if (of === undefined || state === "held") return null;
  return (
    <span class="amount mono">
      {count(state === "ready" ? of.messages_ready : of.messages_unacknowledged)}
    </span>
  );
}

function SearchButton({
  filter,
  onSearch,
}: {
  filter: MessageFilter;
  onSearch: (filter: MessageFilter) => void;
}) {
  return (
    <>
      <DialogButton label="Search…" title="Search the messages" isWide>
        {(close) => (
          <Form
            verb="Search"
            onCancel={close}
            action={async (values) => {
              onSearch(filterOf(values));
              close();
            }}
          >
            <FilterFields of={filter} />
            <p class="muted">All that is given must be so. The queue does not notice.</p>
          </Form>
        )}
      </DialogButton>
      {!isEmpty(filter) && (
        <span class="found">
          {list(conditions(filter))}
          <button type="button" class="quiet" aria-label="Search no more" onClick={() => onSearch({})}>
            ✕
          </button>
        </span>
      )}
    </>
  );
}

// --- what is in the queue

interface Look {
  found: Found | undefined;
  error: ApiError | undefined;
  /** The path that the answer is of. */
  of: string;
  at: number;
}

/** Looks once, and again for another path or version: what is shown stays as it is meanwhile. */
function useLook(path: string, version: number): Look & { isStale: boolean } {
  const [look, setLook] = useState<Look>({ found: undefined, error: undefined, of: "", at: 0 });
  useEffect(() => {
    const ended = new AbortController();
    get<Found | Message[]>(path, { signal: ended.signal })
      .then((answer) => {
        const found = Array.isArray(answer)
          ? { items: answer, scanned: answer.length, next_offset: null }
          : answer;
        setLook({ found, error: undefined, of: path, at: Date.now() });
      })
      .catch((error: unknown) => {
        if (error instanceof ApiError) setLook((before) => ({ ...before, error, of: path, at: Date.now() }));
      });
    return () => ended.abort();
  }, [path, version]);
  return { ...look, isStale: look.of !== path };
}

interface ContentsProps {
  vhost: string;
  name: string;
  shown: Shown;
  version: number;
  renew: () => void;
  change: (changes: Record<string, string | undefined>) => void;
}

function Contents({ vhost, name, shown, version, renew, change }: ContentsProps) {
  const { state, offset, filter } = shown;
  const isSearch = !isEmpty(filter);
  const path = at`/queues/${vhost}/${name}`;
  const given = { state, offset, count: PAGE_SIZE, truncate: LISTED_BYTES };
  const look = useLook(
    isSearch
      ? `${path}/search${query({ ...given, filter: JSON.stringify(filter) })}`
      : `${path}/peek${query(given)}`,
    version,
  );
  const [open, setOpen] = useState<number | undefined>(undefined);
  useEffect(() => setOpen(undefined), [look.found]);
  const { found, error } = look;
  return (
    <>
      <Failure text={error?.message ?? ""} />
      {found && found.items.length > 0 && (
        <MessageList
          label={`${state} messages`}
          of={found.items}
          vhost={vhost}
          open={open}
          onOpen={setOpen}
          isStale={look.isStale}
          full={(message) => <Full vhost={vhost} queue={name} listed={message} onMoved={renew} />}
        />
      )}
      {found && found.items.length === 0 && <Nothing state={state} isSearch={isSearch} found={found} />}
      {found && <Pager shown={shown} found={found} at={look.at} change={change} isSearch={isSearch} />}
    </>
  );
}

function Nothing({ state, isSearch, found }: { state: MessageState; isSearch: boolean; found: Found }) {
  if (isSearch)
    return (
      <p class="empty">
        None of {plural(found.scanned, "message")} is like that
        {found.next_offset !== null && ": there are more, so search on"}.
      </p>
    );
  const words = {
    ready: "No message is ready here. Publish one, or look among those that are unacknowledged.",
    unacked: "No message is unacknowledged.",
    held: "No message is held back: that is done where a queue has delayed retries.",
  };
  return <p class="empty">{words[state]}</p>;
}

interface PagerProps {
  shown: Shown;
  found: Found;
  at: number;
  isSearch: boolean;
  change: (changes: Record<string, string | undefined>) => void;
}

function Pager({ shown: { offset }, found, at: seen, isSearch, change }: PagerProps) {
  const last = found.items.at(-1);
  const isMore = isSearch ? found.next_offset !== null : (last?.message_count ?? 0) > 0;
  const next = isSearch ? found.next_offset : offset + found.items.length;
  const to = (value: number) => change({ offset: value > 0 ? String(value) : undefined });
  return (
    <nav class="pager" aria-label="Pages of messages">
      <span class="amount" role="status">
        {isSearch
          ? `${count(found.items.length)} found among ${count(offset + 1)}–${count(offset + found.scanned)}`
          : found.items.length > 0 && `${count(offset + 1)}–${count(offset + found.items.length)}`}{" "}
        <span class="muted">as of {time(seen).slice(11)}</span>
      </span>
      <button type="button" disabled={offset === 0} onClick={() => to(0)}>
        First
      </button>
      {!isSearch && (
        <button
          type="button"
          data-key="previous"
          aria-label="Previous messages"
          disabled={offset === 0}
          onClick={() => to(Math.max(0, offset - PAGE_SIZE))}
        >
          ‹
        </button>
      )}
      <button
        type="button"
        data-key="next"
        aria-label={isSearch ? "Search on" : "Next messages"}
        disabled={!isMore}
        onClick={() => to(next ?? 0)}
      >
        {isSearch ? "Search on" : "›"}
      </button>
    </nav>
  );
}

// --- one of them

interface FullProps {
  vhost: string;
  queue: string;
  listed: Message;
  onMoved: () => void;
}

/** A message with all of its body, unless the queue has gone on and another one is in its place. */
function Full({ vhost, queue, listed, onMoved }: FullProps) {
  const [whole, setWhole] = useState<Message>();
  const [note, setNote] = useState("");
  useEffect(() => {
    if (isWhole(listed)) return;
    const ended = new AbortController();
    const { position = 1, state } = listed;
    const path = `${at`/queues/${vhost}/${queue}/peek`}${query({ state, offset: position - 1, count: 1, truncate: SHOWN_BYTES })}`;
    get<Message[]>(path, { signal: ended.signal })
      .then(([found]) => {
        if (found && isSame(found, listed)) setWhole(found);
        else setNote("The queue has gone on: this is what was seen of the message.");
      })
      .catch((error: unknown) => error instanceof ApiError && setNote(words(error)));
    return () => ended.abort();
  }, [vhost, queue, listed]);
  const shown = whole ?? listed;
  return (
    <MessageView of={shown} vhost={vhost} queue={queue}>
      <div class="toolbar">
        {note && <span class="warn">{note}</span>}
        <span class="spread" />
        {shown.state === "ready" && (
          <MoveButton
            vhost={vhost}
            queue={queue}
            filter={filterLike(shown)}
            message={shown}
            label={deathsOf(headersOf(shown)).length > 0 ? "Send back…" : "Move…"}
            onMoved={onMoved}
          />
        )}
        {isWhole(shown) && <PublishButton vhost={vhost} draft={draftOf(shown)} label="Publish again…" />}
      </div>
    </MessageView>
  );
}

function isSame(one: Message, other: Message): boolean {
  const known = ({ exchange, routing_key, properties, payload_bytes }: Message) =>
    JSON.stringify([exchange, routing_key, properties, payload_bytes]);
  return known(one) === known(other);
}
