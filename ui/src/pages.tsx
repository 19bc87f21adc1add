/** The table of pages: a new one is a row here, and a file in pages/. */
import type { ComponentChildren } from "preact";
import { ChannelsPage } from "./pages/channels.tsx";
import { ConnectionsPage } from "./pages/connections.tsx";
import { ConsumersPage } from "./pages/consumers.tsx";
import { ExchangesPage } from "./pages/exchanges.tsx";
import { LimitsPage } from "./pages/limits.tsx";
import { LivePage } from "./pages/live.tsx";
import { MessagesPage } from "./pages/messages.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { PoliciesPage } from "./pages/policies.tsx";
import { QueuesPage } from "./pages/queues.tsx";
import { StreamsPage } from "./pages/streams.tsx";
import { StuckPage } from "./pages/stuck.tsx";
import { TopologyPage } from "./pages/topology.tsx";
import { UsersPage } from "./pages/users.tsx";
import { VhostsPage } from "./pages/vhosts.tsx";
import { isAdministrator } from "./session.ts";

export const GROUPS = ["broker", "messages", "clients", "administration"] as const;

export interface PageEntry {
  /** The first segment of its address. */
  id: string;
  title: string;
  /** Where it stands in the navigation; a page without is reached by links. */
  group?: (typeof GROUPS)[number];
  /** The key that leads to it behind a `g`. */
  key?: string;
  /** False for users who could not see anything on it. */
  isFor?: () => boolean;
  /** The page, by the other segments of the address. */
  show: (names: string[]) => ComponentChildren;
}

export const PAGES: PageEntry[] = [
  { id: "", title: "Overview", group: "broker", key: "o", show: () => <OverviewPage /> },
  {
    id: "topology",
    title: "Topology",
    group: "broker",
    key: "t",
    show: (names) => <TopologyPage names={names} />,
  },
  { id: "stuck", title: "Stuck?", group: "broker", key: "s", show: () => <StuckPage /> },
  { id: "live", title: "Live", group: "broker", key: "w", show: () => <LivePage /> },
  {
    id: "queues",
    title: "Queues",
    group: "messages",
    key: "q",
    show: (names) => <QueuesPage names={names} />,
  },
  {
    id: "exchanges",
    title: "Exchanges",
    group: "messages",
    key: "e",
    show: (names) => <ExchangesPage names={names} />,
  },
  { id: "messages", title: "Messages", show: (names) => <MessagesPage names={names} /> },
  { id: "streams", title: "Streams", group: "messages", show: () => <StreamsPage /> },
  {
    id: "connections",
    title: "Connections",
    group: "clients",
    key: "c",
    show: (names) => <ConnectionsPage names={names} />,
  },
  {
    id: "channels",
    title: "Channels",
    group: "clients",
    key: "h",
    show: (names) => <ChannelsPage names={names} />,
  },
  { id: "consumers", title: "Consumers", group: "clients", key: "n", show: () => <ConsumersPage /> },
  {
    id: "vhosts",
    title: "Virtual hosts",
    group: "administration",
    key: "v",
    show: (names) => <VhostsPage names={names} />,
  },
  {
    id: "users",
    title: "Users",
    group: "administration",
    key: "u",
    isFor: () => isAdministrator.value,
    show: (names) => <UsersPage names={names} />,
  },
  {
    id: "policies",
    title: "Policies",
    group: "administration",
    key: "p",
    show: (names) => <PoliciesPage names={names} />,
  },
  { id: "limits", title: "Limits", group: "administration", key: "l", show: () => <LimitsPage /> },
];

export function pageOf(id: string): PageEntry | undefined {
  return PAGES.find((page) => page.id === id);
}
