/** Moving messages of a queue: where they died, or elsewhere; first as a dry run. */
import { useEffect, useRef, useState } from "preact/hooks";
import { at, post } from "../api.ts";
import { count, list, plural, visible } from "../format.ts";
import { useLive } from "../live.ts";
import type { Message, MessageFilter, Moved, MovedMessage } from "../message-types.ts";
import { conditions, isEmpty } from "../messages/filter.ts";
import { snippet } from "../messages/payload.ts";
import { say } from "../notices.ts";
import type { Exchange, Page } from "../types.ts";
import { DialogButton } from "./dialog.tsx";
import { ExchangeName, QueueName } from "./facts.tsx";
import { Failure, Form, SelectField, TextField, Values, words } from "./form.tsx";

interface Props {
  vhost: string;
  queue: string;
  filter: MessageFilter;
  label: string;
  /** For one that is to be moved alone. */
  message?: Message;
  onMoved: () => void;
}

export function MoveButton({ label, ...props }: Props) {
  const title = props.message ? "Move this message" : `Move messages of ${props.queue}`;
  return (
    <DialogButton label={label} title={title} isWide>
      {(close) => <Move {...props} close={close} />}
    </DialogButton>
  );
}

const ORIGIN = "origin";
const EXCHANGE = "exchange";
const SHOWN_BYTES = 200;

interface Request {
  filter: MessageFilter;
  count?: number;
  to?: { exchange: string; routing_key?: string };
}

/** What is in the form. Raises Error, for who wrote it. */
function requestIn(values: Values, { filter, message }: Pick<Props, "filter" | "message">): Request {
  const most = message ? 1 : values.number("count");
  if (most !== undefined && !(Number.isInteger(most) && most > 0))
    throw new Error("At most must be a whole number, or nothing for all.");
  const request: Request = { filter };
  if (most !== undefined) request.count = most;
  if (values.text("where") === ORIGIN) return request;
  const key = values.text("key");
  request.to = { exchange: values.text("exchange") || "amq.default" };
  if (key !== "") request.to.routing_key = key;
  return request;
}

function Move({
  vhost,
  queue,
  filter,
  message,
  onMoved,
  close,
}: Omit<Props, "label"> & { close: () => void }) {
  const [where, setWhere] = useState(ORIGIN);
  const [preview, setPreview] = useState<{ request: string; result: Moved }>();
  const [done, setDone] = useState<Moved>();
  const [problem, setProblem] = useState("");
  const fields = useRef<HTMLDivElement>(null);
  const path = at`/queues/${vhost}/${queue}/move`;
  const ask = async (request: Request) => {
    const result = await post<Moved>(path, { ...request, dry_run: true, truncate: SHOWN_BYTES });
    setPreview({ request: JSON.stringify(request), result });
  };
  // What would happen is known from the beginning.
  useEffect(() => {
    const form = fields.current?.closest("form");
    if (form)
      ask(requestIn(new Values(new FormData(form)), { filter, message })).catch((e) => setProblem(words(e)));
  }, []);
  // Not before the result has been read: the list, and this dialog in it, are then others.
  const isDone = useRef(false);
  isDone.current = done !== undefined;
  useEffect(() => () => void (isDone.current && onMoved()), []);
  if (done)
    return (
      <div class="outcome">
        <Outcome of={done} vhost={vhost} isDone />
        <div class="actions">
          <button type="button" class="primary" onClick={close}>
            Close
          </button>
        </div>
      </div>
    );
  return (
    <>
      <Form
        verb={preview ? `Move ${plural(preview.result.moved, "message")}` : "Move"}
        onCancel={close}
        action={async (values) => {
          setProblem("");
          const request = requestIn(values, { filter, message });
          if (preview?.request !== JSON.stringify(request)) {
            await ask(request);
            throw new Error("What is to be moved has changed: see below what would happen now, and go on.");
          }
          const result = await post<Moved>(path, { ...request, truncate: SHOWN_BYTES });
          setDone(result);
          say(`${plural(result.moved, "message")} moved.`);
        }}
      >
        <div ref={fields} class="publish">
          <What filter={filter} message={message} queue={queue} />
          <SelectField
            label="To"
            name="where"
            value={where}
            onChange={setWhere}
            options={[
              { value: ORIGIN, label: `the queue where ${message ? "it" : "each"} died first` },
              { value: EXCHANGE, label: "an exchange, or a queue" },
            ]}
          />
          {where === EXCHANGE && <Target vhost={vhost} />}
          {message === undefined && (
            <TextField
              label="At most"
              name="count"
              type="number"
              hint="Nothing for all that are there now."
            />
          )}
          <p>
            <button
              type="button"
              onClick={() => {
                setProblem("");
                const form = fields.current?.closest("form");
                Promise.resolve()
                  .then(() =>
                    ask(requestIn(new Values(new FormData(form ?? undefined)), { filter, message })),
                  )
                  .catch((error: unknown) => setProblem(words(error)));
              }}
            >
              Dry run
            </button>{" "}
            <span class="muted">Nothing is moved by it.</span>
          </p>
          <Failure text={problem} />
        </div>
      </Form>
      {preview && (
        <section class="outcome" aria-label="What would happen">
          <OtherMessage message={message} result={preview.result} />
          <Outcome of={preview.result} vhost={vhost} />
        </section>
      )}
    </>
  );
}

function What({ filter, message, queue }: Pick<Props, "filter" | "message" | "queue">) {
  if (message)
    return <p>The message at position {count(message.position)} is moved, if it is still there.</p>;
  return (
    <p>
      {isEmpty(filter) ? (
        <>
          All ready messages of <b class="mono">{queue}</b>. A search restricts them.
        </>
      ) : (
        <>
          The ready messages of <b class="mono">{queue}</b> of which {list(conditions(filter))}.
        </>
      )}
    </p>
  );
}

function Target({ vhost }: { vhost: string }) {
  const { data } = useLive<Page<Exchange>>(`${at`/exchanges/${vhost}`}?page=1&page_size=500&columns=name`);
  return (
    <>
      <TextField
        label="Exchange"
        name="exchange"
        options={data?.items.map(({ name }) => name).filter((name) => name !== "")}
        placeholder="(default exchange)"
        hint="By the default exchange a message goes to the queue that its routing key names."
      />
      <TextField label="Routing key" name="key" hint="Nothing for the key that each message has." />
    </>
  );
}

/** Another message may be the first that fits: the queue goes on meanwhile. */
function OtherMessage({ message, result }: { message: Message | undefined; result: Moved }) {
  if (message === undefined) return null;
  const found = result.items[0];
  if (found === undefined) return <p class="bad">It is not in the queue any more.</p>;
  if (found.position === message.position) return null;
  return (
    <p class="warn">
      The first message that is like it is at position {count(found.position)} now, and that one is moved.
    </p>
  );
}

// --- what would happen, or has

const OUTCOMES: [keyof Moved & MovedMessage["outcome"], string, string][] = [
  ["unroutable", "would reach no queue, and stay", "reach no queue, and have stayed"],
  ["refused", "would be refused, and stay", "were refused, and have stayed"],
  ["without_origin", "have not died anywhere, and stay", "have not died anywhere, and have stayed"],
];

function Outcome({ of, vhost, isDone = false }: { of: Moved; vhost: string; isDone?: boolean }) {
  const targets = Object.entries(of.queues);
  return (
    <>
      <p role="status">
        <b class={of.moved > 0 ? "good" : undefined}>
          {plural(of.moved, "message")} {isDone ? "moved" : "would be moved"}
        </b>
        {targets.length > 0 && ": "}
        {targets.slice(0, 20).map(([name, amount], index) => (
          <span key={name}>
            {index > 0 && ", "}
            {count(amount)} to <QueueName vhost={vhost} name={name} />
          </span>
        ))}
        .
      </p>
      <ul class="outcomes">
        {OUTCOMES.map(
          ([name, would, have]) =>
            of[name] > 0 && (
              <li key={name}>
                <span class="warn">
                  {count(of[name])} {isDone ? have : would}.
                </span>
              </li>
            ),
        )}
        {Object.entries(of.reasons ?? {}).map(([reason, amount]) => (
          <li key={reason} class="muted">
            {count(amount)}: {reason}
          </li>
        ))}
        <li class="muted">
          {plural(of.scanned, "message")} looked at, {count(of.matched)} fit.
        </li>
      </ul>
      {of.stopped && <p class="bad">It was stopped: {of.stopped}</p>}
      <Items of={of.items} vhost={vhost} isDone={isDone} all={of.matched} />
    </>
  );
}

function Items({
  of,
  vhost,
  isDone,
  all,
}: {
  of: MovedMessage[];
  vhost: string;
  isDone: boolean;
  all: number;
}) {
  if (of.length === 0) return null;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class="scroll" aria-label="Messages" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">No.</th>
            <th scope="col">Routing key</th>
            <th scope="col">{isDone ? "Went to" : "Goes to"}</th>
            <th scope="col">Body</th>
          </tr>
        </thead>
        <tbody>
          {of.map((item, index) => (
            <tr key={index}>
              <td class="mono">{item.position}</td>
              <td class="mono">{visible(item.routing_key)}</td>
              <td>
                <Goal of={item} vhost={vhost} />
              </td>
              <td class="mono snippet">{snippet(item, 60)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {all > of.length && <p class="muted">These are the first {count(of.length)}.</p>}
    </section>
  );
}

function Goal({ of: { to, outcome, reason }, vhost }: { of: MovedMessage; vhost: string }) {
  if (outcome !== "moved")
    return <span class="warn">{`stays: ${reason || outcome.replaceAll("_", " ")}`}</span>;
  if (to === null) return null;
  return (
    <>
      {to.exchange !== "" && (
        <>
          <ExchangeName vhost={vhost} name={to.exchange} /> →{" "}
        </>
      )}
      {to.queues.map((name, index) => (
        <span key={name}>
          {index > 0 && ", "}
          <QueueName vhost={vhost} name={name} />
        </span>
      ))}
    </>
  );
}
