/** Places the nodes of a graph in columns, so that messages go from left to right.
 *
 * Exchanges stand left of those that they lead to, and all queues right of their exchanges. Where dead letters go
 * begins another such stage to the right. A column of very many is several nodes wide.
 */
import type { Graph } from "./graph.ts";

export const WIDTH = 184;
export const HEIGHT = 38;
const ROW = HEIGHT + 14;
const GAP = 72;
const SIDE = WIDTH + 14;
/** Columns of more are made wider, so that the whole is about this wide for its height. */
const ROWS_MIN = 28;
const ASPECT = 1.7;
const SWEEPS = 6;

export interface Layout {
  /** The left upper corners of the nodes. */
  x: Float64Array;
  y: Float64Array;
  /** Each the indices of its nodes, from above. */
  columns: number[][];
  width: number;
  height: number;
}

export function layOut(graph: Graph): Layout {
  const columns = columnsOf(graph);
  arrange(graph, columns);
  return place(graph, columns);
}

interface Link {
  node: number;
  isDeadLetter: boolean;
}

function linksOf({ nodes, edges }: Graph): { to: Link[][]; from: Link[][] } {
  const to: Link[][] = nodes.map(() => []);
  const from: Link[][] = nodes.map(() => []);
  for (const edge of edges) {
    const isDeadLetter = edge.kind === "dead-letter";
    to[edge.from]?.push({ node: edge.to, isDeadLetter });
    from[edge.to]?.push({ node: edge.from, isDeadLetter });
  }
  return { to, from };
}

// --- columns

/** How often a message must have died to come to each node. */
function stagesOf(graph: Graph): number[] {
  const { to, from } = linksOf(graph);
  const stages: number[] = graph.nodes.map(() => Number.POSITIVE_INFINITY);
  const spread = (start: number[]) => {
    let level = start;
    for (let stage = 0; level.length > 0; stage += 1) {
      const later: number[] = [];
      const open = level.filter((node) => stage < (stages[node] ?? 0));
      for (const node of open) stages[node] = stage;
      for (let node = open.pop(); node !== undefined; node = open.pop()) {
        for (const link of to[node] ?? []) {
          if (link.isDeadLetter) later.push(link.node);
          else if (stage < (stages[link.node] ?? 0)) {
            stages[link.node] = stage;
            open.push(link.node);
          }
        }
      }
      level = later;
    }
  };
  spread(graph.nodes.map((_, node) => node).filter((node) => (from[node] ?? []).length === 0));
  // What is left is in cycles: they begin somewhere.
  for (let node = 0; node < stages.length; node += 1) {
    if (stages[node] === Number.POSITIVE_INFINITY) spread([node]);
  }
  return stages;
}

/** How many exchanges of its stage lead to an exchange, one behind the other; a way back into a cycle does not count. */
function depthsOf(graph: Graph, stages: number[]): number[] {
  const { from } = linksOf(graph);
  const depths: number[] = graph.nodes.map(() => -1);
  const isOpen = graph.nodes.map(() => false);
  const depthOf = (node: number): number => {
    const known = depths[node] ?? -1;
    if (known >= 0) return known;
    isOpen[node] = true;
    let depth = 0;
    for (const link of from[node] ?? []) {
      const isBefore = graph.nodes[link.node]?.kind === "exchange" && stages[link.node] === stages[node];
      if (isBefore && !link.isDeadLetter && !isOpen[link.node])
        depth = Math.max(depth, depthOf(link.node) + 1);
    }
    isOpen[node] = false;
    depths[node] = depth;
    return depth;
  };
  for (let node = 0; node < depths.length; node += 1) depthOf(node);
  return depths;
}

function columnsOf(graph: Graph): number[][] {
  const stages = stagesOf(graph);
  const depths = depthsOf(graph, stages);
  const deepest = Math.max(0, ...depths);
  const found = new Map<number, number[]>();
  for (const [index, node] of graph.nodes.entries()) {
    const rank = (stages[index] ?? 0) * (deepest + 2);
    const column = rank + (node.kind === "queue" ? deepest + 1 : (depths[index] ?? 0));
    const others = found.get(column);
    if (others) others.push(index);
    else found.set(column, [index]);
  }
  return [...found.entries()].sort(([one], [other]) => one - other).map(([, column]) => column);
}

// --- order within columns

/** Sorts each column so that fewer edges cross: nodes go near those that they are connected with. */
function arrange(graph: Graph, columns: number[][]): void {
  const neighbours: number[][] = graph.nodes.map(() => []);
  for (const { from, to } of graph.edges) {
    neighbours[from]?.push(to);
    neighbours[to]?.push(from);
  }
  const heights = new Float64Array(graph.nodes.length);
  const columnOf = new Int32Array(graph.nodes.length);
  const settle = (column: number[]) => {
    for (const [row, node] of column.entries()) heights[node] = (row + 0.5) / column.length;
  };
  for (const [index, column] of columns.entries()) {
    column.sort((one, other) => compare(graph.nodes[one]?.name, graph.nodes[other]?.name));
    for (const node of column) columnOf[node] = index;
    settle(column);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const isForward = sweep % 2 === 0;
    for (const column of isForward ? columns : [...columns].reverse()) {
      const wanted = new Map<number, number>();
      for (const node of column) {
        const own = columnOf[node] ?? 0;
        const others = (neighbours[node] ?? []).filter((each) =>
          isForward ? (columnOf[each] ?? 0) < own : (columnOf[each] ?? 0) > own,
        );
        wanted.set(node, mean(others.map((each) => heights[each] ?? 0)) ?? heights[node] ?? 0);
      }
      column.sort((one, other) => (wanted.get(one) ?? 0) - (wanted.get(other) ?? 0));
      settle(column);
    }
  }
}

function compare(one = "", other = ""): number {
  return one < other ? -1 : Number(one > other);
}

function mean(values: number[]): number | undefined {
  if (values.length === 0) return undefined;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

// --- places

function place(graph: Graph, columns: number[][]): Layout {
  const x = new Float64Array(graph.nodes.length);
  const y = new Float64Array(graph.nodes.length);
  const most = Math.max(ROWS_MIN, Math.ceil(Math.sqrt((graph.nodes.length * SIDE) / (ROW * ASPECT))));
  const widths = columns.map((column) => Math.ceil(column.length / most));
  const rows = columns.map((column, index) => Math.ceil(column.length / (widths[index] ?? 1)));
  const height = Math.max(1, ...rows) * ROW;
  let left = 0;
  for (const [index, column] of columns.entries()) {
    const width = widths[index] ?? 1;
    const top = (height - (rows[index] ?? 0) * ROW) / 2;
    for (const [at, node] of column.entries()) {
      x[node] = left + (at % width) * SIDE;
      y[node] = top + Math.floor(at / width) * ROW;
    }
    left += width * SIDE + GAP;
  }
  const tallest = rows.indexOf(Math.max(...rows));
  const order = columns
    .map((_, index) => index)
    .sort((one, other) => away(one, tallest) - away(other, tallest));
  const placed = new Set(columns[tallest]);
  for (const index of order) {
    const column = columns[index] ?? [];
    if (index !== tallest && widths[index] === 1) alignWith(graph, column, placed, y, height);
    for (const node of column) placed.add(node);
  }
  return { x, y, columns, width: Math.max(0, left - GAP), height };
}

function away(one: number, other: number): number {
  return Math.abs(one - other);
}

/** Moves the nodes of a column, in their order, as near as may be to those that are placed already. */
function alignWith(
  graph: Graph,
  column: number[],
  placed: Set<number>,
  y: Float64Array,
  height: number,
): void {
  const rowOf = new Map(column.map((node, row) => [node, row]));
  const others: number[][] = column.map(() => []);
  for (const { from, to } of graph.edges) {
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      const row = rowOf.get(one);
      if (row !== undefined && placed.has(other)) others[row]?.push(y[other] ?? 0);
    }
  }
  // Blocks of nodes that touch each other: each at the mean of what its nodes want, less their place in it.
  const blocks: { wanted: number; nodes: number[] }[] = [];
  for (const [row, node] of column.entries()) {
    let block = { wanted: mean(others[row] ?? []) ?? y[node] ?? 0, nodes: [node] };
    for (let before = blocks.at(-1); before && before.wanted + before.nodes.length * ROW > block.wanted; ) {
      const [one, other] = [before.nodes.length, block.nodes.length];
      const wanted = (before.wanted * one + (block.wanted - one * ROW) * other) / (one + other);
      block = { wanted, nodes: [...before.nodes, ...block.nodes] };
      blocks.pop();
      before = blocks.at(-1);
    }
    blocks.push(block);
  }
  let least = 0;
  for (const { wanted, nodes } of blocks) {
    least = Math.max(least, wanted);
    for (const node of nodes) {
      y[node] = least;
      least += ROW;
    }
  }
  const over = least - height;
  if (over > 0 && column.length * ROW <= height) {
    let most = height;
    for (const node of [...column].reverse()) {
      most = Math.min(most - ROW, y[node] ?? 0);
      y[node] = most;
    }
  }
}
