/** The picture of a topology, on a canvas. */
import type { Ref } from "preact";
import { useEffect, useImperativeHandle, useRef } from "preact/hooks";
import { isDark } from "../preferences.ts";
import type { Camera } from "../topology/camera.ts";
import { coloursOf, type Emphasis } from "../topology/painter.ts";
import type { Scene } from "../topology/scene.ts";
import { View } from "../topology/view.ts";

export interface PictureHandle {
  fit: (nodes?: Iterable<number>) => void;
  zoom: (factor: number) => void;
}

interface Props {
  handle: Ref<PictureHandle>;
  /** By which it is remembered what was seen. */
  id: string;
  label: string;
  describedBy: string;
  scene: Scene;
  emphasis: Pick<Emphasis, "nodes" | "edges" | "refused">;
  onCurrent: (node: number | undefined) => void;
  onOpen: (node: number) => void;
}

/** Pixels around a small picture. */
const ROOM = 96;

/** What was seen of each picture, while the page is open. */
const cameras = new Map<string, Camera>();

export function Picture({ handle, id, label, describedBy, scene, emphasis, onCurrent, onOpen }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const view = useRef<View | undefined>(undefined);
  const handlers = useRef({ onCurrent, onOpen });
  handlers.current = { onCurrent, onOpen };
  const dark = isDark.value;
  useEffect(() => {
    if (canvas.current === null) return;
    const made = new View(
      canvas.current,
      {
        onCurrent: (node) => handlers.current.onCurrent(node),
        onOpen: (node) => handlers.current.onOpen(node),
        onCamera: (camera) => (camera ? cameras.set(id, camera) : cameras.delete(id)),
      },
      cameras.get(id),
    );
    view.current = made;
    return () => made.close();
  }, [id]);
  useEffect(() => {
    if (canvas.current) view.current?.setColours(coloursOf(canvas.current));
  }, [dark, id]);
  useEffect(() => view.current?.setScene(scene), [scene, id]);
  useEffect(() => view.current?.setEmphasis(emphasis), [emphasis, id]);
  useImperativeHandle(handle, () => ({
    fit: (nodes) => view.current?.fit(nodes),
    zoom: (factor) => view.current?.zoom(factor),
  }));
  return (
    // biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: it has its own keys, which a screen reader must pass on
    <canvas
      ref={canvas}
      class="picture"
      style={{ "--wanted": `${Math.round(scene.bounds.bottom - scene.bounds.top) + ROOM}px` }}
      tabIndex={0}
      role="application"
      aria-label={label}
      aria-describedby={describedBy}
    />
  );
}
