/** A graph that is laid out, with its curves, and what is written in its nodes. */
import { count, plural, rate, visible } from "../format.ts";
import type { Exchange, Queue } from "../types.ts";
import { rateOf } from "../values.ts";
import type { Box } from "./camera.ts";
import type { Edge, Graph, Node } from "./graph.ts";
import { HEIGHT, type Layout, WIDTH } from "./layout.ts";

export interface Curve {
  path: Path2D;
  /** The end, and the direction in which the curve comes there: 1 is to the right. */
  x: number;
  y: number;
  direction: 1 | -1;
  /** The middle. */
  middle: [x: number, y: number];
}

/** What there is to draw of a graph as long as it has the same nodes and edges. */
export interface Geometry {
  layout: Layout;
  curves: Curve[];
  /** All curves of a kind in one. */
  bundles: Record<Edge["kind"], Path2D>;
  /** Edges by node, in both directions. */
  edgesOf: number[][];
  bounds: Box;
}

export interface Scene extends Geometry {
  graph: Graph;
  /** Messages that go by an edge in a second, by its id, where it is known. */
  rates: ReadonlyMap<string, number>;
}

export function geometryOf(graph: Graph, layout: Layout): Geometry {
  const curves = graph.edges.map((edge) => curveOf(edge, layout));
  const bundles = { binding: new Path2D(), "dead-letter": new Path2D(), alternate: new Path2D() };
  const edgesOf: number[][] = graph.nodes.map(() => []);
  for (const [index, { from, to, kind }] of graph.edges.entries()) {
    const curve = curves[index];
    if (curve) bundles[kind].addPath(curve.path);
    edgesOf[from]?.push(index);
    if (to !== from) edgesOf[to]?.push(index);
  }
  return { layout, curves, bundles, edgesOf, bounds: boundsOf(graph, layout) };
}

export function boxOf(node: number, { x, y }: Layout): Box {
  const [left, top] = [x[node] ?? 0, y[node] ?? 0];
  return { left, top, right: left + WIDTH, bottom: top + HEIGHT };
}

export function around(boxes: Box[]): Box {
  return {
    left: Math.min(...boxes.map(({ left }) => left)),
    top: Math.min(...boxes.map(({ top }) => top)),
    right: Math.max(...boxes.map(({ right }) => right)),
    bottom: Math.max(...boxes.map(({ bottom }) => bottom)),
  };
}

function boundsOf(graph: Graph, layout: Layout): Box {
  if (graph.nodes.length === 0) return { left: 0, top: 0, right: 1, bottom: 1 };
  return around(graph.nodes.map((_, node) => boxOf(node, layout)));
}

/** From the right side of a node to the left side of the next; back again on a lower track. */
function curveOf({ from, to, kind }: Edge, layout: Layout): Curve {
  const [begin, end] = [boxOf(from, layout), boxOf(to, layout)];
  const lower = kind === "binding" ? 0 : 8;
  const path = new Path2D();
  if (end.left > begin.left + WIDTH / 2) {
    const [x0, y0] = [begin.right, begin.top + HEIGHT / 2 + lower];
    const [x1, y1] = [end.left - 1, end.top + HEIGHT / 2 + lower / 2];
    const bend = Math.max(36, Math.min(160, (x1 - x0) / 2));
    path.moveTo(x0, y0);
    path.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
    return { path, x: x1, y: y1, direction: 1, middle: [(x0 + x1) / 2, (y0 + y1) / 2] };
  }
  if (end.right < begin.left + WIDTH / 2) {
    const [x0, y0] = [begin.left, begin.top + HEIGHT / 2 + 13];
    const [x1, y1] = [end.right + 1, end.top + HEIGHT / 2 + 13];
    const bend = Math.max(36, Math.min(160, (x0 - x1) / 2));
    path.moveTo(x0, y0);
    path.bezierCurveTo(x0 - bend, y0 + 12, x1 + bend, y1 + 12, x1, y1);
    return { path, x: x1, y: y1, direction: -1, middle: [(x0 + x1) / 2, (y0 + y1) / 2 + 9] };
  }
  const [x0, y0] = [begin.right, begin.top + HEIGHT / 2 + 6];
  const [x1, y1] = [end.right + 1, end.top + HEIGHT / 2 - (from === to ? 6 : -6)];
  path.moveTo(x0, y0);
  path.bezierCurveTo(x0 + 56, y0, x1 + 56, y1, x1, y1);
  return { path, x: x1, y: y1, direction: -1, middle: [x0 + 42, (y0 + y1) / 2] };
}

/** The node at a place, if there is one. */
export function nodeAt({ graph, layout }: Scene, x: number, y: number): number | undefined {
  const found = graph.nodes.findIndex((_, node) => {
    const { left, top, right, bottom } = boxOf(node, layout);
    return x >= left && x <= right && y >= top && y <= bottom;
  });
  return found < 0 ? undefined : found;
}

export type Direction = "left" | "right" | "up" | "down";

/** The next node in a direction: up and down in the column, left and right along edges, to the nearest. */
export function nextNode(scene: Scene, node: number, direction: Direction): number {
  const { graph, layout, edgesOf } = scene;
  const [x, y] = [layout.x[node] ?? 0, layout.y[node] ?? 0];
  const isAcross = direction === "left" || direction === "right";
  const sign = direction === "right" || direction === "down" ? 1 : -1;
  const joined = (edgesOf[node] ?? []).flatMap((index) => {
    const edge = graph.edges[index];
    return edge ? [edge.from === node ? edge.to : edge.from] : [];
  });
  const column = layout.columns.find((each) => each.includes(node)) ?? [];
  const candidates = isAcross ? joined : column;
  let best = node;
  let least = Number.POSITIVE_INFINITY;
  for (const each of candidates) {
    const [dx, dy] = [(layout.x[each] ?? 0) - x, (layout.y[each] ?? 0) - y];
    const along = (isAcross ? dx : dy) * sign;
    const aside = Math.abs(isAcross ? dy : dx);
    if (along <= 0) continue;
    const distance = along + aside * 2;
    if (distance < least) [best, least] = [each, distance];
  }
  return best;
}

// --- what is written in a node

/** How much there is in a queue, and how it goes: by it nodes are coloured. */
export type Mood = "usual" | "waiting" | "bad";

export function moodOf(node: Node): Mood {
  if (node.isMissing) return "bad";
  const { queue } = node;
  if (queue === undefined) return "usual";
  // A stream keeps its messages, whoever reads them.
  if (queue.type === "stream") return "usual";
  const waits = (queue.messages_ready ?? 0) > 0 && (queue.consumers ?? 0) === 0;
  return waits ? "waiting" : "usual";
}

/** What is written in a node beside its name: below it, on the right of it, and below that. */
export interface Facts {
  below: string;
  right: string;
  lower: string;
}

export function factsOf(node: Node): Facts {
  if (node.isMissing) return { below: "does not exist", right: "", lower: "" };
  if (node.queue) return factsOfQueue(node.queue);
  return node.exchange ? factsOfExchange(node.exchange) : { below: "", right: "", lower: "" };
}

function factsOfExchange({ type, message_stats: stats }: Exchange): Facts {
  const [coming, going] = [rateOf(stats, "publish_in"), rateOf(stats, "publish_out")];
  const flow = coming || going ? `${rate(coming ?? 0)} → ${rate(going ?? 0)}/s` : "";
  return { below: type, right: "", lower: flow };
}

function factsOfQueue({
  messages_ready: ready = 0,
  messages_unacknowledged: unacked = 0,
  consumers = 0,
  message_stats: stats,
}: Queue): Facts {
  const coming = rateOf(stats, "publish");
  return {
    below: unacked > 0 ? `${count(ready)} + ${count(unacked)}` : count(ready),
    right: coming ? `${rate(coming)}/s` : "",
    lower: consumers === 0 ? "no consumer" : plural(consumers, "consumer"),
  };
}

export function nameOf({ kind, name }: Pick<Node, "kind" | "name">): string {
  return kind === "exchange" && name === "" ? "(default exchange)" : visible(name);
}
