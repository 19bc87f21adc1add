/** The part of a picture that is seen: screen = world * zoom + offset. */

export interface Camera {
  x: number;
  y: number;
  zoom: number;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export const ZOOM_MIN = 0.02;
export const ZOOM_MAX = 2.5;
const MARGIN = 24;

export function zoomed({ x, y, zoom }: Camera, factor: number, atX: number, atY: number): Camera {
  const next = Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, zoom * factor));
  const by = next / zoom;
  return { x: atX - (atX - x) * by, y: atY - (atY - y) * by, zoom: next };
}

export function moved({ x, y, zoom }: Camera, dx: number, dy: number): Camera {
  return { x: x + dx, y: y + dy, zoom };
}

/** Shows all of a box in the middle, but not larger than it is. */
export function fitted(box: Box, width: number, height: number): Camera {
  const [wide, high] = [Math.max(1, box.right - box.left), Math.max(1, box.bottom - box.top)];
  const fits = Math.min((width - 2 * MARGIN) / wide, (height - 2 * MARGIN) / high, 1);
  const zoom = Math.max(ZOOM_MIN, fits);
  return {
    x: (width - wide * zoom) / 2 - box.left * zoom,
    y: (height - high * zoom) / 2 - box.top * zoom,
    zoom,
  };
}

/** Moves no more than it takes to see a box; into the middle if it is out of sight. */
export function revealing(camera: Camera, box: Box, width: number, height: number): Camera {
  const { x, y, zoom } = camera;
  const [left, right] = [box.left * zoom + x, box.right * zoom + x];
  const [top, bottom] = [box.top * zoom + y, box.bottom * zoom + y];
  const isSeen = left >= 0 && right <= width && top >= 0 && bottom <= height;
  return isSeen ? camera : moved(camera, width / 2 - (left + right) / 2, height / 2 - (top + bottom) / 2);
}

export function seen({ x, y, zoom }: Camera, width: number, height: number): Box {
  return { left: -x / zoom, top: -y / zoom, right: (width - x) / zoom, bottom: (height - y) / zoom };
}
