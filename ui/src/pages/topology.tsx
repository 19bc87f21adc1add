/** A picture of exchanges, bindings and queues, and the way of a message through it. */
import { useCallback, useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { at } from "../api.ts";
import { EdgeRates, type Rates } from "../components/edge-rates.tsx";
import { Heading } from "../components/facts.tsx";
import { Failure } from "../components/form.tsx";
import { Picture, type PictureHandle } from "../components/picture.tsx";
import { Relations } from "../components/relations.tsx";
import { useVhosts } from "../components/scope.ts";
import { useExplanation, Way } from "../components/way.tsx";
import { count, plural } from "../format.ts";
import { useLive } from "../live.ts";
import type { Explanation as Told } from "../message-types.ts";
import { go, href, route } from "../router.ts";
import { type Choices, type Graph, graphOf, type Node, shapeOf } from "../topology/graph.ts";
import { layOut } from "../topology/layout.ts";
import { type Lit, litBy } from "../topology/lit.ts";
import { geometryOf, nameOf, type Scene } from "../topology/scene.ts";
import { inWords } from "../topology/words.ts";
import type { Binding, Exchange, Policy, Queue } from "../types.ts";

/** A picture of more is none: then there is only the list. */
const NODES_MAX = 5000;

export function TopologyPage({ names }: { names: string[] }) {
  const vhosts = useVhosts();
  const vhost = names[0] ?? vhosts[0];
  if (vhost === undefined) return <Heading title="Topology" />;
  return <Topology key={vhost} vhost={vhost} vhosts={vhosts} />;
}

const OF_EXCHANGE =
  "message_stats.publish_in,message_stats.publish_in_details.rate,message_stats.publish_out_details.rate";
const OF_QUEUE = "messages_ready,messages_unacknowledged,consumers,message_stats.publish_details.rate";

function useGraph(vhost: string, choices: Choices) {
  const exchanges = useLive<Exchange[]>(
    `${at`/exchanges/${vhost}`}?columns=name,type,arguments,policy,${OF_EXCHANGE}`,
  );
  const queues = useLive<Queue[]>(
    `${at`/queues/${vhost}`}?columns=name,type,arguments,effective_policy_definition,${OF_QUEUE}`,
  );
  const bindings = useLive<Binding[]>(at`/bindings/${vhost}`);
  const policies = useLive<Policy[]>(at`/policies/${vhost}`);
  const isThere = exchanges.data && queues.data && bindings.data && (policies.data || policies.error);
  const graph = useMemo(
    () =>
      exchanges.data && queues.data && bindings.data && isThere
        ? graphOf(
            {
              exchanges: exchanges.data,
              queues: queues.data,
              bindings: bindings.data,
              policies: policies.data ?? [],
            },
            choices,
          )
        : undefined,
    [isThere, exchanges.data, queues.data, bindings.data, policies.data, choices],
  );
  return { graph, error: exchanges.error ?? queues.error ?? bindings.error };
}

/** The rates of edges, and what tells them. */
function useRates(): [Rates, (exchange: string, rates: Rates) => void] {
  const [all, setAll] = useState<ReadonlyMap<string, Rates>>(new Map());
  const tell = useCallback(
    (exchange: string, rates: Rates) =>
      setAll((before) => {
        const after = new Map(before);
        if (rates.size > 0) after.set(exchange, rates);
        else after.delete(exchange);
        return after;
      }),
    [],
  );
  const merged = useMemo(() => new Map([...all.values()].flatMap((rates) => [...rates])), [all]);
  return [merged, tell];
}

function useScene(graph: Graph | undefined, rates: Rates): Scene | undefined {
  const isDrawn = graph !== undefined && graph.nodes.length <= NODES_MAX;
  const shape = useMemo(() => (graph && isDrawn ? shapeOf(graph) : ""), [graph, isDrawn]);
  // Numbers change, and the places stay.
  const geometry = useMemo(() => (graph && isDrawn ? geometryOf(graph, layOut(graph)) : undefined), [shape]);
  return useMemo(
    () => (graph && isDrawn && geometry ? { ...geometry, graph, rates } : undefined),
    [graph, isDrawn, geometry, rates],
  );
}

function Topology({ vhost, vhosts }: { vhost: string; vhosts: string[] }) {
  const [choices, setChoices] = useState<Choices>({ withDefault: false, withUnused: false });
  const { graph, error } = useGraph(vhost, choices);
  const { told, problem } = useExplanation(vhost);
  const [isAsking, setAsking] = useState(() => route.peek().query.has("exchange"));
  return (
    <>
      <Heading
        title="Topology"
        tools={
          <>
            <VhostSelect vhost={vhost} vhosts={vhosts} />
            <button
              type="button"
              class="primary"
              aria-expanded={isAsking}
              onClick={() => setAsking(!isAsking)}
            >
              Where would this go?
            </button>
          </>
        }
      />
      <Failure text={error?.message ?? ""} />
      {graph && (
        <>
          <MapView vhost={vhost} graph={graph} told={told} choices={choices} onChoose={setChoices}>
            {isAsking && <Way graph={graph} told={told} problem={problem} />}
          </MapView>
          <Relations vhost={vhost} graph={graph} />
        </>
      )}
    </>
  );
}

function VhostSelect({ vhost, vhosts }: { vhost: string; vhosts: string[] }) {
  return (
    <label>
      <span class="muted">of </span>
      <select
        class="mono"
        aria-label="Virtual host of the picture"
        value={vhost}
        onChange={(event) => go(href("topology", event.currentTarget.value))}
      >
        {(vhosts.includes(vhost) ? vhosts : [vhost, ...vhosts]).map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

// --- the picture

interface MapProps {
  vhost: string;
  graph: Graph;
  told: Told | undefined;
  choices: Choices;
  onChoose: (choices: Choices) => void;
  children: preact.ComponentChildren;
}

function MapView({ vhost, graph, told, choices, onChoose, children }: MapProps) {
  const [rates, tellRates] = useRates();
  const scene = useScene(graph, rates);
  const picture = useRef<PictureHandle>(null);
  const [sought, setSought] = useState("");
  const [current, setCurrent] = useState<number | undefined>(undefined);
  const helpId = useId();
  const found = useMemo(() => nodesCalled(graph, sought), [graph, sought]);
  const emphasis = useMemo((): Lit | { nodes: undefined; edges: Set<number>; refused: Set<number> } => {
    if (found) return { nodes: found, edges: new Set(), refused: new Set() };
    if (told && told.outcome !== "refused") return litBy(told, graph);
    return { nodes: undefined, edges: new Set(), refused: new Set() };
  }, [found, told, graph]);
  const way = told && told.outcome !== "refused" ? JSON.stringify([told.exchange, told.queues]) : "";
  useEffect(() => {
    if (way !== "" && told) picture.current?.fit(litBy(told, graph).nodes);
  }, [way]);
  const node = current === undefined ? undefined : graph.nodes[current];
  return (
    <section class="topology" aria-label="Picture">
      <EdgeRates vhost={vhost} graph={graph} onRates={tellRates} />
      <div class="toolbar">
        <search class="filter">
          <input
            type="search"
            class="mono"
            data-key="search"
            placeholder="Find by name  /"
            aria-label="Find exchanges and queues by name"
            title="Enter shows what is found"
            spellcheck={false}
            value={sought}
            onInput={(event) => setSought(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Enter" && found && picture.current?.fit(found)}
          />
        </search>
        <span class="amount" role="status">
          {found
            ? `${count(found.size)} of ${plural(graph.nodes.length, "object")}`
            : `${plural(graph.nodes.length, "object")}, ${plural(graph.edges.length, "relation")}`}
        </span>
        <span class="spread" />
        <Choice
          label="default exchange"
          value={choices.withDefault}
          onChange={(withDefault) => onChoose({ ...choices, withDefault })}
        />
        <Choice
          label="unused amq.*"
          value={choices.withUnused}
          onChange={(withUnused) => onChoose({ ...choices, withUnused })}
        />
        <ZoomButtons picture={picture} />
      </div>
      <div class={children ? "map asking" : "map"}>
        {scene ? (
          graph.nodes.length > 0 ? (
            <Picture
              handle={picture}
              id={vhost}
              label={`Exchanges, bindings and queues of ${vhost}`}
              describedBy={helpId}
              scene={scene}
              emphasis={emphasis}
              onCurrent={setCurrent}
              onOpen={(index) => open(vhost, graph.nodes[index])}
            />
          ) : (
            <p class="empty">
              There are no queues here, and no exchanges but those that every virtual host has.
            </p>
          )
        ) : (
          <p class="empty">
            {count(graph.nodes.length)} objects are too many for a picture. The list below has them all.
          </p>
        )}
        {children}
      </div>
      <p class="about" aria-live="polite">
        {scene && current !== undefined && node ? inWords(scene, current) : <Legend />}
      </p>
      <p id={helpId} class="unseen">
        Arrow keys walk from one to the next, Enter opens it, plus and minus zoom, 0 shows all, Shift and an
        arrow moves the picture. The list below says the same in words.
      </p>
    </section>
  );
}

function Legend() {
  return (
    <span class="muted">
      Pointed boxes are exchanges, the others queues: ready + unacknowledged messages, and what comes in per
      second. <span class="dash">┄</span> dead letters, <span class="dash">···</span> alternate exchanges.
      Drag to move, wheel to zoom, click to open.
    </span>
  );
}

function ZoomButtons({ picture }: { picture: { current: PictureHandle | null } }) {
  return (
    <fieldset class="segments" aria-label="Zoom">
      <button type="button" aria-label="Zoom out" onClick={() => picture.current?.zoom(1 / 1.4)}>
        −
      </button>
      <button type="button" onClick={() => picture.current?.fit()}>
        Fit
      </button>
      <button type="button" aria-label="Zoom in" onClick={() => picture.current?.zoom(1.4)}>
        +
      </button>
    </fieldset>
  );
}

function Choice({
  label,
  value,
  onChange,
}: {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
}) {
  return (
    <label class="choice">
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.currentTarget.checked)} />
      {label}
    </label>
  );
}

function nodesCalled(graph: Graph, text: string): Set<number> | undefined {
  const sought = text.trim().toLowerCase();
  if (sought === "") return undefined;
  const found = graph.nodes.flatMap((node, index) =>
    nameOf(node).toLowerCase().includes(sought) ? [index] : [],
  );
  return new Set(found);
}

function open(vhost: string, node: Node | undefined): void {
  if (node === undefined || node.isMissing) return;
  go(
    node.kind === "queue"
      ? href("queues", vhost, node.name)
      : href("exchanges", vhost, node.name || "amq.default"),
  );
}
