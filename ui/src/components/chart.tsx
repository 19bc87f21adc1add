/** Charts of numbers over time, by uPlot, each with its numbers in words beside it. */
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { isDark, RANGES, range } from "../preferences.ts";
import { aligned, type Points } from "../values.ts";

export interface Series {
  name: string;
  points: Points;
  /** The number of now, if it is not the last point. */
  now?: number | undefined;
  /** Its place among the colours, if it is not that among the series. */
  color?: number;
}

export interface Mark {
  name: string;
  value: number;
}

interface Props {
  title: string;
  series: Series[];
  format: (value: number | undefined | null) => string;
  /** For the axis; the same, if there is no shorter one. */
  axis?: (value: number) => string;
  /** Lines that a curve should not cross. */
  marks?: Mark[];
  /** The least that the axis goes up to. */
  top?: number;
  /** True for bytes, whose axis has powers of two. */
  isBytes?: boolean;
}

const HEIGHT = 140;
const AXIS_FONT = "11px system-ui, sans-serif";

function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function Chart({ title, series, format, axis = format, marks = [], top = 0, isBytes = false }: Props) {
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const names = series.map(({ name }) => name).join("\n");
  const { times, values } = drawn(series);
  const highest = Math.max(top, ...marks.map(({ value }) => value).filter((value) => isNear(value, values)));
  const dark = isDark.value;
  useEffect(() => {
    const parent = place.current;
    if (!parent) return;
    const made = new uPlot(
      optionsOf(parent.clientWidth, { series, marks, axis, highest, isBytes }),
      [times, ...values],
      parent,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height: HEIGHT }));
    observer.observe(parent);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [names, dark, highest]);
  useEffect(() => plot.current?.setData([times, ...values]));
  const toggle = (index: number, name: string) => {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    setHidden(next);
    plot.current?.setSeries(index + 1, { show: !next.has(name) });
  };
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={place} class="plot" role="img" aria-label={inSentences(title, series, format)} />
      <ul class="legend">
        {series.map((each, index) => (
          <li key={each.name}>
            <button
              type="button"
              aria-pressed={!hidden.has(each.name)}
              onClick={() => toggle(index, each.name)}
            >
              <span class={`swatch color-${each.color ?? index}`} aria-hidden="true" />
              {each.name}
            </button>
            <span class="mono value">{format(each.now ?? each.points.values.at(-1))}</span>
          </li>
        ))}
        {marks.map((mark) => (
          <li key={mark.name}>
            <span class="label">
              <span class="swatch mark" aria-hidden="true" />
              {mark.name}
            </span>
            <span class="mono value">{format(mark.value)}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

function inSentences(title: string, series: Series[], format: Props["format"]): string {
  const parts = series.map(({ name, now, points }) => `${name} ${format(now ?? points.values.at(-1))}`);
  return `${title}: ${parts.join(", ")}`;
}

/** The curves. Of what has not happened yet there are no samples: it is nothing all the time. */
function drawn(series: Series[]): { times: number[]; values: (number | null)[][] } {
  const found = aligned(series.map(({ points }) => points));
  if (found.times.length > 0) return found;
  const now = Math.floor(Date.now() / 1000);
  return { times: [now - range.value.age, now], values: series.map(() => [0, 0]) };
}

/** A mark that is far above the curves is not drawn, or these would lie flat on the ground. */
function isNear(mark: number, values: (number | null)[][]): boolean {
  return mark <= 4 * Math.max(0, ...values.flat().map((value) => value ?? 0));
}

const POWERS_OF_TWO = Array.from({ length: 60 }, (_, exponent) => 2 ** exponent);

interface Drawing {
  series: Series[];
  marks: Mark[];
  axis: (value: number) => string;
  highest: number;
  isBytes: boolean;
}

function optionsOf(width: number, { series, marks, axis, highest, isBytes }: Drawing): uPlot.Options {
  const [ink, grid] = [color("--muted"), color("--line")];
  const line = { stroke: ink, font: AXIS_FONT, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 5 } },
    padding: [8, 18, 0, 0],
    scales: {
      x: { time: true },
      y: { range: (_, __, most) => [0, Math.max((most || 0) * 1.1, highest * 1.02) || 1] },
    },
    series: [
      {},
      ...series.map(({ name, color: place }, index) => ({
        label: name,
        stroke: color(`--series-${place ?? index}`),
        width: 1.5,
        points: { show: false },
        spanGaps: true,
      })),
    ],
    axes: [
      { ...line, size: 24, space: 70, values: (_, ticks) => ticks.map(clock) },
      {
        ...line,
        size: 54,
        space: 28,
        values: (_, ticks) => ticks.map((tick) => axis(tick)),
        ...(isBytes && { incrs: POWERS_OF_TWO }),
      },
    ],
    hooks: { draw: [(drawn) => drawMarks(drawn, marks)] },
  };
}

function clock(seconds: number): string {
  const at = new Date(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

function drawMarks(drawn: uPlot, marks: Mark[]): void {
  const { ctx, bbox } = drawn;
  ctx.save();
  ctx.strokeStyle = color("--danger");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const { value } of marks) {
    const y = Math.round(drawn.valToPos(value, "y", true)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

/** How far back all charts go. */
export function RangeChoice() {
  return (
    <fieldset class="segments">
      <legend class="unseen">Time that charts show</legend>
      {RANGES.map((each) => (
        <button
          type="button"
          key={each.name}
          aria-pressed={range.value === each}
          onClick={() => (range.value = each)}
        >
          {each.name}
        </button>
      ))}
    </fieldset>
  );
}

/** The parameters that ask the API for the samples of charts. */
export function samplesOf(...kinds: ("lengths" | "msg_rates" | "data_rates" | "node_stats")[]): string {
  const { age, step } = range.value;
  return kinds.map((kind) => `${kind}_age=${age}&${kind}_incr=${step}`).join("&");
}
