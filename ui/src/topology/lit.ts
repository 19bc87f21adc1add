/** The way of a message through a graph. */
import type { Explanation } from "../message-types.ts";
import { edgeId, type Graph, idOf, type NodeKind } from "./graph.ts";

export interface Lit {
  nodes: Set<number>;
  /** Those that it goes by, and those that it comes to and does not. */
  edges: Set<number>;
  refused: Set<number>;
}

export function litBy({ exchanges, queues }: Explanation, graph: Graph): Lit {
  const edgeIndex = new Map(graph.edges.map(({ id }, index) => [id, index]));
  const lit: Lit = { nodes: new Set(), edges: new Set(), refused: new Set() };
  const pass = (id: string) => add(lit.nodes, graph.indexOf.get(id));
  for (const exchange of exchanges) {
    const from = idOf("exchange", exchange.name);
    pass(from);
    for (const { matched, destination, destination_type: kind } of exchange.bindings) {
      const to = idOf(kind as NodeKind, destination);
      add(matched ? lit.edges : lit.refused, edgeIndex.get(edgeId(from, to, "binding")));
      if (matched) pass(to);
    }
    if (exchange.alternate?.used) {
      const to = idOf("exchange", exchange.alternate.exchange);
      add(lit.edges, edgeIndex.get(edgeId(from, to, "alternate")));
      pass(to);
    }
  }
  for (const queue of queues) pass(idOf("queue", queue));
  // One of several bindings between the same two is enough.
  for (const edge of lit.edges) lit.refused.delete(edge);
  return lit;
}

function add(set: Set<number>, index: number | undefined): void {
  if (index !== undefined) set.add(index);
}
