/** A picture that is moved, zoomed and walked through: pointer, wheel and keys on a canvas. */

import { type Camera, fitted, moved, revealing, zoomed } from "./camera.ts";
import { type Colours, type Emphasis, Painter } from "./painter.ts";
import { around, boxOf, type Direction, nextNode, nodeAt, type Scene } from "./scene.ts";

/** Pixels that a pointer may move without that it is a drag. */
const STILL = 4;
const STEP = 60;
const ZOOM_STEP = 1.25;

const ARROWS: Record<string, Direction> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
};

export interface Handlers {
  /** Another node is under the pointer, or has the focus. */
  onCurrent: (node: number | undefined) => void;
  onOpen: (node: number) => void;
  /** Another part is seen; all of it, if there is no camera. */
  onCamera: (camera: Camera | undefined) => void;
}

export class View {
  #scene: Scene | undefined;
  #camera: Camera;
  /** False as long as all is shown: then it stays so when the canvas gets another size. */
  #isChosen: boolean;
  /** The nodes that are to be seen, all if there are none, until something else is. */
  #wanted: number[] | undefined;
  #painter: Painter | undefined;
  #emphasis: Emphasis = {
    current: undefined,
    isFocused: false,
    nodes: undefined,
    edges: new Set(),
    refused: new Set(),
  };
  /** Edges that stand out because of the current node. */
  #near = new Set<number>();
  #frame = 0;
  #width = 1;
  #height = 1;
  readonly #pointers = new Map<number, { x: number; y: number }>();
  #travelled = 0;
  readonly #ended = new AbortController();
  readonly #sizes: ResizeObserver;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly handlers: Handlers,
    camera: Camera | undefined,
  ) {
    this.#camera = camera ?? { x: 0, y: 0, zoom: 1 };
    this.#isChosen = camera !== undefined;
    this.#sizes = new ResizeObserver(() => this.#resize());
    this.#sizes.observe(canvas);
    const { signal } = this.#ended;
    canvas.addEventListener("pointerdown", (event) => this.#press(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.#move(event), { signal });
    for (const name of ["pointerup", "pointercancel"] as const)
      canvas.addEventListener(name, (event) => this.#release(event), { signal });
    canvas.addEventListener("pointerleave", () => this.#setCurrent(undefined), { signal });
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { signal, passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event), { signal });
    for (const name of ["focus", "blur"] as const)
      canvas.addEventListener(name, () => this.#focus(name === "focus"), { signal });
  }

  close(): void {
    this.#ended.abort();
    this.#sizes.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  setScene(scene: Scene): void {
    const isNew = this.#scene?.layout !== scene.layout;
    this.#scene = scene;
    if (isNew) this.#emphasis.current = undefined;
    if (isNew && !this.#isChosen) this.fit(this.#wanted);
    this.#paint();
  }

  setColours(colours: Colours): void {
    const context = this.canvas.getContext("2d", { alpha: false });
    this.#painter = context === null ? undefined : new Painter(context, colours);
    this.#paint();
  }

  setEmphasis(emphasis: Pick<Emphasis, "nodes" | "edges" | "refused">): void {
    this.#emphasis = { ...this.#emphasis, ...emphasis };
    this.#paint();
  }

  // --- what is seen

  /** All of it, or of some nodes. */
  fit(nodes?: Iterable<number>): void {
    const scene = this.#scene;
    this.#wanted = nodes === undefined ? undefined : [...nodes];
    if (scene === undefined || this.#width <= 1) return;
    const boxes = this.#wanted === undefined ? [] : this.#wanted.map((node) => boxOf(node, scene.layout));
    const camera = fitted(boxes.length > 0 ? around(boxes) : scene.bounds, this.#width, this.#height);
    if (boxes.length > 0) {
      this.#look(camera);
      return;
    }
    this.#isChosen = false;
    this.#camera = camera;
    this.handlers.onCamera(undefined);
    this.#paint();
  }

  zoom(factor: number, x = this.#width / 2, y = this.#height / 2): void {
    this.#wanted = undefined;
    this.#look(zoomed(this.#camera, factor, x, y));
  }

  #look(camera: Camera): void {
    this.#isChosen = true;
    this.#camera = camera;
    this.handlers.onCamera(camera);
    this.#paint();
  }

  #resize(): void {
    const { width, height } = this.canvas.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    [this.#width, this.#height] = [width, height];
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    if (this.#wanted || !this.#isChosen) this.fit(this.#wanted);
    // At once: a canvas of another size is empty.
    this.#draw();
  }

  #paint(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#scene === undefined || this.#painter === undefined) return;
    const edges = new Set([...this.#emphasis.edges, ...this.#near]);
    const emphasis = { ...this.#emphasis, edges };
    this.#painter.draw(this.#scene, this.#camera, emphasis, this.#width, this.#height, devicePixelRatio || 1);
  }

  // --- the node that one is at

  #setCurrent(node: number | undefined): void {
    if (node === this.#emphasis.current) return;
    this.#emphasis.current = node;
    this.#near = new Set(node === undefined ? [] : this.#scene?.edgesOf[node]);
    this.canvas.style.cursor = node === undefined ? "" : "pointer";
    this.handlers.onCurrent(node);
    this.#paint();
  }

  #focus(isFocused: boolean): void {
    this.#emphasis.isFocused = isFocused && this.canvas.matches(":focus-visible");
    this.#paint();
  }

  #nodeUnder(event: PointerEvent): number | undefined {
    if (this.#scene === undefined) return undefined;
    const { left, top } = this.canvas.getBoundingClientRect();
    const { x, y, zoom } = this.#camera;
    return nodeAt(this.#scene, (event.clientX - left - x) / zoom, (event.clientY - top - y) / zoom);
  }

  // --- pointers

  #press(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.#travelled = 0;
    this.canvas.setPointerCapture(event.pointerId);
  }

  #move(event: PointerEvent): void {
    const before = this.#pointers.get(event.pointerId);
    if (before === undefined) {
      this.#setCurrent(this.#nodeUnder(event));
      return;
    }
    const now = { x: event.clientX, y: event.clientY };
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, now);
    this.#travelled += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (other === undefined) {
      this.#wanted = undefined;
      if (this.#travelled >= STILL) this.#look(moved(this.#camera, now.x - before.x, now.y - before.y));
      return;
    }
    const { left, top } = this.canvas.getBoundingClientRect();
    const apart = Math.hypot(before.x - other.x, before.y - other.y);
    const factor = apart < 1 ? 1 : Math.hypot(now.x - other.x, now.y - other.y) / apart;
    this.zoom(factor, (now.x + other.x) / 2 - left, (now.y + other.y) / 2 - top);
  }

  #release(event: PointerEvent): void {
    const wasPressed = this.#pointers.delete(event.pointerId);
    if (!wasPressed || event.type === "pointercancel" || this.#travelled >= STILL) return;
    const node = this.#nodeUnder(event);
    if (node !== undefined) this.handlers.onOpen(node);
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const { left, top } = this.canvas.getBoundingClientRect();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const factor = Math.exp(-Math.max(-120, Math.min(120, event.deltaY * lines)) / 400);
    this.zoom(factor, event.clientX - left, event.clientY - top);
  }

  // --- keys

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = ARROWS[event.key];
    if (direction && event.shiftKey) this.#pan(direction);
    else if (direction) this.#walk(direction);
    else if (event.key === "Enter" && this.#emphasis.current !== undefined)
      this.handlers.onOpen(this.#emphasis.current);
    else if (event.key === "+" || event.key === "=") this.zoom(ZOOM_STEP);
    else if (event.key === "-") this.zoom(1 / ZOOM_STEP);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  #pan(direction: Direction): void {
    const [dx, dy] = { left: [STEP, 0], right: [-STEP, 0], up: [0, STEP], down: [0, -STEP] }[direction] as [
      number,
      number,
    ];
    this.#look(moved(this.#camera, dx, dy));
  }

  #walk(direction: Direction): void {
    const scene = this.#scene;
    if (scene === undefined || scene.graph.nodes.length === 0) return;
    const { current, nodes } = this.#emphasis;
    const first = [...(nodes ?? [])][0] ?? scene.layout.columns[0]?.[0] ?? 0;
    const next = current === undefined ? first : nextNode(scene, current, direction);
    this.#emphasis.isFocused = true;
    this.#setCurrent(next);
    this.#look(revealing(this.#camera, boxOf(next, scene.layout), this.#width, this.#height));
  }
}
