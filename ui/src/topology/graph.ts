/** Exchanges and queues of a virtual host as a graph: what leads where. */
import { visible } from "../format.ts";
import type { Arguments, Binding, Exchange, Policy, Queue } from "../types.ts";

export type NodeKind = "exchange" | "queue";

export interface Node {
  id: string;
  kind: NodeKind;
  name: string;
  /** True for one that others name, and that does not exist. */
  isMissing: boolean;
  exchange?: Exchange;
  queue?: Queue;
}

export type EdgeKind = "binding" | "dead-letter" | "alternate";

/** All that leads from one node to another in one way. */
export interface Edge {
  id: string;
  /** Indices of nodes. */
  from: number;
  to: number;
  kind: EdgeKind;
  /** Of a binding its keys and arguments, of dead letters their routing key. */
  labels: string[];
}

export interface Graph {
  nodes: Node[];
  edges: Edge[];
  indexOf: Map<string, number>;
}

export interface Objects {
  exchanges: Exchange[];
  queues: Queue[];
  bindings: Binding[];
  policies: Policy[];
}

export interface Choices {
  /** The default exchange, to which every queue is bound. */
  withDefault: boolean;
  /** Exchanges that come with a virtual host, and that nothing leads to or from. */
  withUnused: boolean;
}

export const idOf = (kind: NodeKind, name: string): string => `${kind} ${name}`;

export const edgeId = (from: string, to: string, kind: EdgeKind): string => JSON.stringify([kind, from, to]);

/** An object without keys is, in some answers, an empty list. */
function pairs(given: Arguments | [] | null | undefined): Arguments {
  return given && !Array.isArray(given) ? given : {};
}

/** A text of the arguments or, with the `x-` left out, of the policy. */
function textOf(given: Arguments, name: string): string | undefined {
  const value = given[name];
  return typeof value === "string" ? value : undefined;
}

export function graphOf(objects: Objects, choices: Choices): Graph {
  const builder = new Builder();
  for (const exchange of objects.exchanges) {
    if (exchange.name !== "" || choices.withDefault) builder.add("exchange", exchange.name, { exchange });
  }
  for (const queue of objects.queues) builder.add("queue", queue.name, { queue });
  for (const binding of objects.bindings) {
    if (binding.source === "" && !choices.withDefault) continue;
    builder.connect(
      idOf("exchange", binding.source),
      idOf(binding.destination_type, binding.destination),
      "binding",
      labelOf(binding),
    );
  }
  const policies = new Map(objects.policies.map((policy) => [policy.name, pairs(policy.definition)]));
  for (const exchange of objects.exchanges) {
    const own = textOf(pairs(exchange.arguments), "alternate-exchange");
    const name = own ?? textOf(policies.get(exchange.policy ?? "") ?? {}, "alternate-exchange");
    if (name !== undefined) builder.lead(idOf("exchange", exchange.name), name, "alternate");
  }
  for (const queue of objects.queues) addDeadLetters(builder, queue, choices);
  return choices.withUnused ? builder : withoutUnused(builder);
}

function addDeadLetters(builder: Builder, queue: Queue, { withDefault }: Choices): void {
  const [own, policy] = [pairs(queue.arguments), pairs(queue.effective_policy_definition)];
  const said = (name: string) => textOf(own, `x-${name}`) ?? textOf(policy, name);
  const exchange = said("dead-letter-exchange");
  if (exchange === undefined) return;
  const key = said("dead-letter-routing-key");
  const from = idOf("queue", queue.name);
  if (exchange !== "" || withDefault) builder.lead(from, exchange, "dead-letter", key);
  // By the default exchange they go to the queue that the key names.
  else if (key !== undefined) builder.connect(from, idOf("queue", key), "dead-letter", key);
}

function labelOf({ routing_key: key, arguments: given }: Binding): string {
  const said = Object.entries(pairs(given)).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return visible([key, ...said].filter((each) => each !== "").join(" "));
}

class Builder implements Graph {
  nodes: Node[] = [];
  edges: Edge[] = [];
  indexOf = new Map<string, number>();
  readonly #edges = new Map<string, Edge>();

  add(kind: NodeKind, name: string, of: Pick<Node, "exchange" | "queue">, isMissing = false): number {
    const id = idOf(kind, name);
    const known = this.indexOf.get(id);
    if (known !== undefined) return known;
    this.indexOf.set(id, this.nodes.length);
    this.nodes.push({ id, kind, name, isMissing, ...of });
    return this.nodes.length - 1;
  }

  /** Connects nodes, if they are there: lists that were asked for one after the other may not agree. */
  connect(from: string, to: string, kind: EdgeKind, label?: string): void {
    const [begin, end] = [this.indexOf.get(from), this.indexOf.get(to)];
    if (begin === undefined || end === undefined) return;
    const id = edgeId(from, to, kind);
    let edge = this.#edges.get(id);
    if (edge === undefined) {
      edge = { id, from: begin, to: end, kind, labels: [] };
      this.#edges.set(id, edge);
      this.edges.push(edge);
    }
    if (label !== undefined) edge.labels.push(label);
  }

  /** Connects a node with an exchange, which may be missing. */
  lead(from: string, exchange: string, kind: EdgeKind, label?: string): void {
    if (!this.indexOf.has(from)) return;
    this.add("exchange", exchange, {}, true);
    this.connect(from, idOf("exchange", exchange), kind, label);
  }
}

function withoutUnused({ nodes, edges }: Graph): Graph {
  const used = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const isKept = (node: Node, index: number) =>
    used.has(index) || node.exchange === undefined || !node.name.startsWith("amq.") || isBusy(node.exchange);
  const kept = nodes.filter(isKept);
  const indexOf = new Map(kept.map(({ id }, index) => [id, index]));
  const moved = (index: number) => indexOf.get(nodes[index]?.id ?? "") ?? -1;
  return {
    nodes: kept,
    edges: edges.map((edge) => ({ ...edge, from: moved(edge.from), to: moved(edge.to) })),
    indexOf,
  };
}

function isBusy({ message_stats: stats }: Exchange): boolean {
  return typeof stats?.publish_in === "number" && stats.publish_in > 0;
}

/** Nodes and edges as a text that changes only when there are others: then they are laid out anew. */
export function shapeOf({ nodes, edges }: Graph): string {
  return JSON.stringify([nodes.map(({ id }) => id), edges.map(({ id }) => id)]);
}
