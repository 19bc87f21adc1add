/** A topology as a list: what leads where. */
import { useMemo } from "preact/hooks";
import type { Edge, Graph, Node } from "../topology/graph.ts";
import { nameOf } from "../topology/scene.ts";
import { ExchangeName, QueueName } from "./facts.tsx";
import { type Column, Table } from "./table.tsx";

interface Relation {
  from: Node;
  to: Node;
  edge: Edge;
}

const RELATIONS: Record<Edge["kind"], string> = {
  binding: "binding",
  "dead-letter": "dead letters",
  alternate: "alternate exchange",
};

export function Relations({ vhost, graph }: { vhost: string; graph: Graph }) {
  const rows = useMemo(
    () =>
      graph.edges.flatMap((edge): Relation[] => {
        const [from, to] = [graph.nodes[edge.from], graph.nodes[edge.to]];
        return from && to ? [{ from, to, edge }] : [];
      }),
    [graph],
  );
  const columns: Column<Relation>[] = [
    { key: "from.name", title: "From", cell: ({ from }) => <Named node={from} vhost={vhost} /> },
    { key: "edge.kind", title: "How", width: 18, cell: ({ edge }) => RELATIONS[edge.kind] },
    { key: "to.name", title: "To", cell: ({ to }) => <Named node={to} vhost={vhost} /> },
    {
      key: "edge.labels",
      title: "Routing keys, arguments",
      isUnsorted: true,
      cell: ({ edge }) => <span class="mono">{edge.labels.join(", ")}</span>,
    },
  ];
  return (
    <Table<Relation>
      id="topology"
      title="As a list"
      label="Relations"
      rows={rows}
      columns={columns}
      rowKey={({ edge }) => edge.id}
      nameOf={({ from, to }) => `${from.name} ${to.name}`}
      isInAddress={false}
      empty={<p>Nothing leads anywhere.</p>}
    />
  );
}

function Named({ node, vhost }: { node: Node; vhost: string }) {
  if (node.isMissing)
    return (
      <>
        <span class="muted">exchange </span>
        <span class="mono">{nameOf(node)}</span> <span class="failure">does not exist</span>
      </>
    );
  return (
    <>
      <span class="muted">{node.kind} </span>
      {node.kind === "queue" ? (
        <QueueName vhost={vhost} name={node.name} />
      ) : (
        <ExchangeName vhost={vhost} name={node.name} />
      )}
    </>
  );
}
