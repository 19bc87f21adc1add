/** Draws a scene on a canvas: only what is seen, and no more detail than can be seen. */
import { rate } from "../format.ts";
import { type Box, type Camera, seen } from "./camera.ts";
import type { Edge } from "./graph.ts";
import { HEIGHT, WIDTH } from "./layout.ts";
import { factsOf, moodOf, nameOf, type Scene } from "./scene.ts";

/** What stands out of the rest. */
export interface Emphasis {
  /** The node under the pointer, or that has the focus. */
  current: number | undefined;
  /** True while the focus is on the picture. */
  isFocused: boolean;
  /** Nodes that are shown as they are, the others dimmed; all, if there are none. */
  nodes: Set<number> | undefined;
  edges: Set<number>;
  /** Edges that a message would not take. */
  refused: Set<number>;
}

export interface Colours {
  ground: string;
  panel: string;
  line: string;
  lineStrong: string;
  ink: string;
  muted: string;
  accent: string;
  accentGround: string;
  warn: string;
  warnGround: string;
  danger: string;
  dangerGround: string;
  mono: string;
  font: string;
}

/** The variables of the theme that is in effect. */
export function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    ground: read("--ground"),
    panel: read("--panel"),
    line: read("--line"),
    lineStrong: read("--line-strong"),
    ink: read("--ink"),
    muted: read("--muted"),
    accent: read("--accent"),
    accentGround: read("--accent-ground"),
    warn: read("--warn"),
    warnGround: read("--warn-ground"),
    danger: read("--danger"),
    dangerGround: read("--danger-ground"),
    mono: read("--mono"),
    font: read("--font"),
  };
}

/** Below these zooms there is no second line, and no text at all. */
const FACTS_ZOOM = 0.5;
const NAMES_ZOOM = 0.3;
const ARROWS_ZOOM = 0.25;
const DASHES: Record<Edge["kind"], number[]> = { binding: [], "dead-letter": [6, 4], alternate: [2, 3] };
const DIMMED = 0.16;

/** Names whose width is remembered. Queues may come and go for weeks while the page is open. */
const FITTING_MAX = 20_000;

export class Painter {
  readonly #context: CanvasRenderingContext2D;
  /** Texts as they fit into a node, by font and text. */
  readonly #fitting = new Map<string, string>();

  constructor(
    context: CanvasRenderingContext2D,
    private readonly colours: Colours,
  ) {
    this.#context = context;
  }

  draw(scene: Scene, camera: Camera, emphasis: Emphasis, width: number, height: number, ratio: number): void {
    const context = this.#context;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = this.colours.ground;
    context.fillRect(0, 0, width, height);
    context.setTransform(camera.zoom * ratio, 0, 0, camera.zoom * ratio, camera.x * ratio, camera.y * ratio);
    const view = seen(camera, width, height);
    this.#drawEdges(scene, camera.zoom, emphasis);
    if (camera.zoom >= FACTS_ZOOM) this.#writeRates(scene, emphasis);
    const all = scene.graph.nodes.keys();
    this.#drawNodes(scene, all, camera.zoom, emphasis, view);
    if (emphasis.edges.size + emphasis.refused.size === 0) return;
    // What stands out is over the rest.
    this.#drawEmphasisedEdges(scene, camera.zoom, emphasis);
    if (camera.zoom >= FACTS_ZOOM) this.#writeRates(scene, emphasis);
    const ends = [...emphasis.edges, ...emphasis.refused].flatMap((index) => {
      const edge = scene.graph.edges[index];
      return edge ? [edge.from, edge.to] : [];
    });
    this.#drawNodes(scene, new Set([...(emphasis.nodes ?? []), ...ends]), camera.zoom, emphasis, view);
  }

  // --- edges

  #drawEdges(scene: Scene, zoom: number, emphasis: Emphasis): void {
    const context = this.#context;
    const hasMore = emphasis.nodes !== undefined || emphasis.current !== undefined;
    for (const kind of ["binding", "alternate", "dead-letter"] as const) {
      context.globalAlpha = hasMore ? DIMMED * 1.6 : scene.graph.edges.length > 500 ? 0.45 : 0.8;
      context.strokeStyle = kind === "binding" ? this.colours.lineStrong : this.colours.muted;
      context.lineWidth = 1 / Math.max(zoom, 0.5);
      context.setLineDash(DASHES[kind]);
      context.stroke(scene.bundles[kind]);
    }
    context.setLineDash([]);
    if (zoom >= ARROWS_ZOOM) {
      context.fillStyle = this.colours.lineStrong;
      for (const curve of scene.curves) this.#arrow(curve.x, curve.y, curve.direction);
    }
    context.globalAlpha = 1;
  }

  #writeRates({ graph, curves, rates }: Scene, { nodes }: Emphasis): void {
    const context = this.#context;
    context.font = `11px ${this.colours.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [index, edge] of graph.edges.entries()) {
      const [value, curve] = [rates.get(edge.id), curves[index]];
      if (!value || curve === undefined) continue;
      const [x, y] = curve.middle;
      const text = `${rate(value)}/s`;
      const width = context.measureText(text).width + 6;
      context.globalAlpha = nodes === undefined || nodes.has(edge.to) ? 1 : DIMMED * 2;
      context.fillStyle = this.colours.ground;
      context.fillRect(x - width / 2, y - 7, width, 14);
      context.fillStyle = this.colours.muted;
      context.fillText(text, x, y);
    }
    context.globalAlpha = 1;
  }

  #drawEmphasisedEdges(scene: Scene, zoom: number, { edges, refused }: Emphasis): void {
    for (const index of refused) this.#drawEdge(scene, index, zoom, this.colours.danger, 1.2);
    for (const index of edges) this.#drawEdge(scene, index, zoom, this.colours.accent, 2);
  }

  #drawEdge(scene: Scene, index: number, zoom: number, colour: string, width: number): void {
    const [curve, edge] = [scene.curves[index], scene.graph.edges[index]];
    if (curve === undefined || edge === undefined) return;
    const context = this.#context;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = width / Math.max(zoom, 0.3);
    context.setLineDash(DASHES[edge.kind]);
    context.stroke(curve.path);
    context.setLineDash([]);
    this.#arrow(curve.x, curve.y, curve.direction);
  }

  #arrow(x: number, y: number, direction: 1 | -1): void {
    const context = this.#context;
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x - 7 * direction, y - 3.5);
    context.lineTo(x - 7 * direction, y + 3.5);
    context.fill();
  }

  // --- nodes

  #drawNodes(scene: Scene, nodes: Iterable<number>, zoom: number, emphasis: Emphasis, view: Box): void {
    const { x, y } = scene.layout;
    const context = this.#context;
    context.textBaseline = "middle";
    for (const node of nodes) {
      const [left, top] = [x[node] ?? 0, y[node] ?? 0];
      if (left > view.right || left + WIDTH < view.left || top > view.bottom || top + HEIGHT < view.top)
        continue;
      const isShown = emphasis.nodes === undefined || emphasis.nodes.has(node);
      context.globalAlpha = 1;
      this.#drawBox(scene, node, left, top, zoom, emphasis);
      context.globalAlpha = isShown ? 1 : DIMMED * 2;
      if (zoom >= NAMES_ZOOM) this.#write(scene, node, left, top, zoom);
    }
    context.globalAlpha = 1;
  }

  #drawBox(scene: Scene, index: number, left: number, top: number, zoom: number, emphasis: Emphasis): void {
    const node = scene.graph.nodes[index];
    if (node === undefined) return;
    const { colours } = this;
    const context = this.#context;
    const mood = moodOf(node);
    const isShown = emphasis.nodes === undefined || emphasis.nodes.has(index);
    const isCurrent = emphasis.current === index;
    // Edges that pass behind are hidden also by what is dimmed.
    context.fillStyle = colours.ground;
    this.#outline(left, top, node.kind === "exchange");
    context.fill();
    context.globalAlpha = isShown ? 1 : DIMMED * 2;
    context.fillStyle = { usual: colours.panel, waiting: colours.warnGround, bad: colours.dangerGround }[
      mood
    ];
    if (emphasis.nodes?.has(index)) context.fillStyle = colours.accentGround;
    context.fill();
    const line = { usual: colours.lineStrong, waiting: colours.warn, bad: colours.danger }[mood];
    context.strokeStyle = isCurrent || emphasis.nodes?.has(index) ? colours.accent : line;
    context.lineWidth = (isCurrent ? 2 : 1) / Math.max(zoom, 0.5);
    context.setLineDash(node.isMissing ? [4, 3] : []);
    context.stroke();
    context.setLineDash([]);
    if (isCurrent && emphasis.isFocused) {
      context.strokeRect(left - 3, top - 3, WIDTH + 6, HEIGHT + 6);
    }
  }

  /** Exchanges have a point where messages leave, queues are boxes. */
  #outline(left: number, top: number, isExchange: boolean): void {
    const context = this.#context;
    context.beginPath();
    if (isExchange) {
      context.moveTo(left, top);
      context.lineTo(left + WIDTH - 12, top);
      context.lineTo(left + WIDTH, top + HEIGHT / 2);
      context.lineTo(left + WIDTH - 12, top + HEIGHT);
      context.lineTo(left, top + HEIGHT);
      context.closePath();
    } else context.rect(left, top, WIDTH, HEIGHT);
  }

  #write(scene: Scene, index: number, left: number, top: number, zoom: number): void {
    const node = scene.graph.nodes[index];
    if (node === undefined) return;
    const { colours } = this;
    const context = this.#context;
    const hasFacts = zoom >= FACTS_ZOOM;
    const [inner, right] = [
      WIDTH - (node.kind === "exchange" ? 24 : 16),
      left + WIDTH - (node.kind === "exchange" ? 16 : 8),
    ];
    const facts = factsOf(node);
    context.font = `12px ${colours.mono}`;
    context.fillStyle = colours.ink;
    context.textAlign = "left";
    const taken = hasFacts && facts.right !== "" ? 56 : 0;
    context.fillText(this.#fit(nameOf(node), inner - taken), left + 8, top + (hasFacts ? 12 : HEIGHT / 2));
    if (!hasFacts) return;
    context.font = `11px ${colours.font}`;
    context.fillStyle = { usual: colours.muted, waiting: colours.warn, bad: colours.danger }[moodOf(node)];
    context.fillText(facts.below, left + 8, top + 27);
    context.textAlign = "right";
    context.fillText(facts.right, right, top + 12);
    context.fillText(facts.lower, right, top + 27);
  }

  /** As much of a text as there is room for, with an ellipsis in the place of the rest. */
  #fit(text: string, width: number): string {
    const key = `${width} ${text}`;
    const known = this.#fitting.get(key);
    if (known !== undefined) return known;
    const letters = [...text];
    const isWide = (length: number) =>
      this.#context.measureText(`${letters.slice(0, length).join("")}…`).width > width;
    let fitted = text;
    if (this.#context.measureText(fitted).width > width) {
      let [least, most] = [0, letters.length];
      while (least < most) {
        const middle = Math.ceil((least + most) / 2);
        if (isWide(middle)) most = middle - 1;
        else least = middle;
      }
      fitted = `${letters.slice(0, least).join("")}…`;
    }
    if (this.#fitting.size >= FITTING_MAX) this.#fitting.clear();
    this.#fitting.set(key, fitted);
    return fitted;
  }
}
