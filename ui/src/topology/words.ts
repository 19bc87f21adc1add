/** A graph in words, for those who do not see the picture. */
import { count, list, plural, rate } from "../format.ts";
import { rateOf } from "../values.ts";
import type { Edge, Node } from "./graph.ts";
import { nameOf, type Scene } from "./scene.ts";

const TOLD = 4;

/** One node: what it is, and what leads to it and from it. */
export function inWords(scene: Scene, index: number): string {
  const node = scene.graph.nodes[index];
  if (node === undefined) return "";
  const edges = (scene.edgesOf[index] ?? []).flatMap((each) => scene.graph.edges[each] ?? []);
  const coming = edges.filter(({ to }) => to === index);
  const going = edges.filter(({ from }) => from === index);
  const others = (of: Edge[], end: "from" | "to") => named(of.map((edge) => withLabels(scene, edge, end)));
  const of = (kind: Edge["kind"], some: Edge[]) => some.filter((edge) => edge.kind === kind);
  const parts = [
    `${node.kind === "queue" ? "Queue" : "Exchange"} ${nameOf(node)}${amounts(node)}.`,
    said("Bound to ", others(of("binding", coming), "from")),
    said("Leads to ", others(of("binding", going), "to")),
    said("Alternate exchange: ", others(of("alternate", going), "to")),
    said("Alternate exchange of ", others(of("alternate", coming), "from")),
    said("Dead letters go to ", others(of("dead-letter", going), "to")),
    said("Dead letters come from ", others(of("dead-letter", coming), "from")),
  ];
  return parts.filter((part) => part !== "").join(" ");
}

function said(words: string, names: string): string {
  return names === "" ? "" : `${words}${names}.`;
}

function amounts({ exchange, queue, isMissing }: Node): string {
  if (isMissing) return ", which does not exist";
  if (exchange) {
    const [coming, going] = [
      rateOf(exchange.message_stats, "publish_in"),
      rateOf(exchange.message_stats, "publish_out"),
    ];
    const flow = coming || going ? `: ${rate(coming ?? 0)} in, ${rate(going ?? 0)} out per second` : "";
    return ` (${exchange.type})${flow}`;
  }
  if (queue === undefined) return "";
  const { messages_ready: ready = 0, messages_unacknowledged: unacked = 0, consumers = 0 } = queue;
  return `: ${count(ready)} ready, ${count(unacked)} unacknowledged, ${plural(consumers, "consumer")}`;
}

function withLabels({ graph }: Scene, edge: Edge, end: "from" | "to"): string {
  const node = graph.nodes[edge[end]];
  const name = node ? nameOf(node) : "";
  const labels = edge.labels.filter((label) => label !== "");
  return labels.length > 0 ? `${name} (${named(labels)})` : name;
}

function named(names: string[]): string {
  if (names.length <= TOLD) return list(names);
  return `${names.slice(0, TOLD).join(", ")} and ${count(names.length - TOLD)} more`;
}
