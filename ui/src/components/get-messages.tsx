/** Getting messages of a queue, in each of the ways that there are, and what was got. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { post } from "../api.ts";
import { plural } from "../format.ts";
import type { Message } from "../message-types.ts";
import { draftOf } from "../messages/drafts.ts";
import { isWhole, SHOWN_BYTES } from "../messages/payload.ts";
import { say } from "../notices.ts";
import { DialogButton } from "./dialog.tsx";
import { Section } from "./facts.tsx";
import { Form, SelectField, TextField } from "./form.tsx";
import { MessageView } from "./message.tsx";
import { MessageList } from "./message-list.tsx";
import { PublishButton } from "./publish.tsx";

const MODES = [
  { value: "ack_requeue_true", label: "look, and put back (nack, requeue)", said: "put back" },
  { value: "ack_requeue_false", label: "take away (automatic ack)", said: "taken away" },
  { value: "reject_requeue_true", label: "reject, and put back", said: "rejected, and put back" },
  {
    value: "reject_requeue_false",
    label: "reject: dead-letter, or drop",
    said: "rejected: dead-lettered, or dropped",
  },
];

const CONSEQUENCES: Record<string, string> = {
  ack_requeue_true:
    "They are marked as redelivered, and a delivery limit counts it. Looking at the list does neither.",
  ack_requeue_false: "They are gone from the queue, and only here until this page is left.",
  reject_requeue_true: "They are marked as redelivered, and a delivery limit counts it.",
  reject_requeue_false: "They go to the dead letter exchange, or are lost if the queue has none.",
};

export function GetButton({
  path,
  onGot,
}: {
  path: string;
  onGot: (messages: Message[], words: string) => void;
}) {
  const [mode, setMode] = useState("ack_requeue_true");
  return (
    <DialogButton label="Get…" title="Get messages from the head of the queue">
      {(close) => (
        <Form
          verb="Get"
          kind={mode.endsWith("true") ? "primary" : "danger"}
          onCancel={close}
          action={async (values) => {
            const messages = await post<Message[]>(`${path}/get`, {
              count: values.number("count") ?? 1,
              ackmode: mode,
              encoding: "auto",
              truncate: SHOWN_BYTES,
            });
            close();
            const said = MODES.find(({ value }) => value === mode)?.said ?? "";
            say(`${plural(messages.length, "message")} ${said}.`);
            onGot(messages, said);
          }}
        >
          <TextField label="Messages" name="count" type="number" value="1" required autofocus />
          <SelectField
            label="What becomes of them"
            name="mode"
            value={mode}
            onChange={setMode}
            options={MODES}
            hint={CONSEQUENCES[mode]}
          />
        </Form>
      )}
    </DialogButton>
  );
}

interface GotProps {
  of: { messages: Message[]; words: string };
  vhost: string;
  queue: string;
  onClose: () => void;
}

export function Got({ of: { messages, words: said }, vhost, queue, onClose }: GotProps): ComponentChildren {
  const [open, setOpen] = useState<number | undefined>(undefined);
  return (
    <Section
      title={`Got ${plural(messages.length, "message")}${messages.length > 0 ? `, ${said}` : ": the queue is empty"}`}
      tools={
        <button type="button" class="quiet" onClick={onClose}>
          Close
        </button>
      }
    >
      {messages.length > 0 && (
        <MessageList
          label="Messages that were got"
          of={messages}
          vhost={vhost}
          open={open}
          onOpen={setOpen}
          full={(message) => (
            <MessageView of={message} vhost={vhost} queue={queue}>
              {isWhole(message) && (
                <div class="toolbar">
                  <span class="spread" />
                  <PublishButton vhost={vhost} draft={draftOf(message)} label="Publish again…" />
                </div>
              )}
            </MessageView>
          )}
        />
      )}
    </Section>
  );
}
