/** Lists of channels. */
import { count, rate } from "../format.ts";
import type { Channel } from "../types.ts";
import { numberAt } from "../values.ts";
import { ChannelName, State, Tag, UserName, VhostName } from "./facts.tsx";
import { type Column, Table } from "./table.tsx";

interface Props {
  id: string;
  path: string;
  /** True if all are of one connection. */
  isOfConnection?: boolean;
  isInAddress?: boolean;
  hidesVhost?: boolean;
  empty: string;
  title?: string;
}

const OF_CONNECTION = new Set(["vhost", "user"]);

export function ChannelsTable({
  id,
  path,
  isOfConnection = false,
  isInAddress = false,
  hidesVhost = false,
  empty,
  title,
}: Props) {
  const columns = COLUMNS.filter(
    ({ key }) => !(isOfConnection && OF_CONNECTION.has(key)) && !(hidesVhost && key === "vhost"),
  );
  return (
    <Table<Channel>
      id={id}
      label="Channels"
      title={title}
      path={path}
      columns={columns}
      needs={["name"]}
      rowKey={({ name }) => name}
      nameOf={({ name }) => name}
      isInAddress={isInAddress}
      empty={<p>{empty}</p>}
    />
  );
}

function counted(key: keyof Channel & string, title: string, hint: string, isExtra = false): Column<Channel> {
  return { key, title, hint, isNumber: true, width: 9.5, isExtra, cell: (row) => count(numberAt(row, key)) };
}

function rated(key: string, title: string, hint: string, isExtra = false): Column<Channel> {
  const path = `message_stats.${key}_details.rate`;
  return {
    key: path,
    title,
    hint,
    isNumber: true,
    width: 9.5,
    isExtra,
    cell: (row) => rate(numberAt(row, path)),
  };
}

const COLUMNS: Column<Channel>[] = [
  { key: "name", title: "Channel", width: 38, cell: ({ name }) => <ChannelName name={name} /> },
  {
    key: "vhost",
    title: "Virtual host",
    width: 12,
    cell: ({ vhost }) => vhost !== undefined && <VhostName name={vhost} />,
  },
  {
    key: "user",
    title: "User",
    width: 10,
    cell: ({ user }) => user !== undefined && <UserName name={user} />,
  },
  {
    key: "mode",
    title: "Mode",
    width: 7,
    isUnsorted: true,
    needs: ["confirm", "transactional"],
    cell: (row) => <Mode of={row} />,
  },
  { key: "state", title: "State", width: 10, cell: ({ state }) => <State of={state} /> },
  counted("consumer_count", "Consumers", "Consumers on it"),
  counted("messages_unacknowledged", "Unacked", "Messages delivered on it and not acknowledged yet"),
  counted(
    "prefetch_count",
    "Prefetch",
    "The most messages unacknowledged, for each new consumer; 0 is no limit",
  ),
  counted("messages_unconfirmed", "Unconfirmed", "Messages published on it and not confirmed yet", true),
  rated("publish", "In /s", "Messages published on it, per second"),
  rated("deliver_get", "Out /s", "Messages delivered on it, per second"),
  rated("ack", "Acked /s", "Messages acknowledged on it, per second"),
  counted("messages_uncommitted", "Uncommitted", "Messages in its transaction", true),
  counted("acks_uncommitted", "Acks uncomm.", "Acknowledgements in its transaction", true),
];

export function Mode({ of }: { of: Channel }) {
  return (
    <span class="tags">
      {of.confirm && <Tag short="C" title="confirms what is published" />}
      {of.transactional && <Tag short="T" title="has transactions" />}
    </span>
  );
}
