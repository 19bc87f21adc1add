/** Where a message would go: what is asked, and the answer. */
import { useMemo, useState } from "preact/hooks";
import { query } from "../api.ts";
import { useLive } from "../live.ts";
import type { Explanation as Told } from "../message-types.ts";
import { route, setQuery } from "../router.ts";
import type { Graph } from "../topology/graph.ts";
import type { Arguments } from "../types.ts";
import { ArgumentsField, argumentsOf } from "./arguments-field.tsx";
import { Explanation } from "./explanation.tsx";
import { Failure, Form, TextField } from "./form.tsx";

export function useExplanation(vhost: string): { told: Told | undefined; problem: string } {
  const { query: given } = route.value;
  const exchange = given.get("exchange");
  const { data, error, isStale } = useLive<Told>(
    exchange === null
      ? null
      : `/explain${query({ vhost, exchange, routing_key: given.get("routing_key"), headers: given.get("headers") })}`,
  );
  return { told: exchange === null || isStale || error ? undefined : data, problem: error?.message ?? "" };
}

interface WayProps {
  graph: Graph;
  told: Told | undefined;
  problem: string;
}

export function Way({ graph, told, problem }: WayProps) {
  const shown = route.value;
  const [initial] = useState(() => shown.query);
  const names = useMemo(
    () =>
      graph.nodes.flatMap(({ kind, name, isMissing }) =>
        kind === "exchange" && name !== "" && !isMissing ? [name] : [],
      ),
    [graph],
  );
  return (
    <section class="way" aria-labelledby="way">
      <h2 id="way">Where would this go?</h2>
      <Form
        verb="Show the way"
        action={async (values) => {
          const headers = argumentsOf(values.text("headers"));
          setQuery(shown, {
            exchange: values.text("exchange") || "amq.default",
            routing_key: values.text("routing_key"),
            headers: Object.keys(headers).length > 0 ? JSON.stringify(headers) : undefined,
          });
        }}
      >
        <TextField
          label="Exchange"
          name="exchange"
          value={initial.get("exchange") ?? ""}
          options={names}
          placeholder="(default exchange)"
          autofocus
        />
        <TextField label="Routing key" name="routing_key" value={initial.get("routing_key") ?? ""} />
        <ArgumentsField name="headers" label="Headers" noun="header" initial={headersIn(initial)} />
      </Form>
      <Failure text={problem} />
      {told && (
        <>
          <Explanation of={told} />
          <p>
            <button
              type="button"
              class="quiet"
              onClick={() =>
                setQuery(shown, { exchange: undefined, routing_key: undefined, headers: undefined })
              }
            >
              Clear
            </button>
          </p>
        </>
      )}
    </section>
  );
}

function headersIn(given: URLSearchParams): Arguments {
  try {
    const found: unknown = JSON.parse(given.get("headers") ?? "{}");
    return typeof found === "object" && found !== null && !Array.isArray(found) ? (found as Arguments) : {};
  } catch {
    return {};
  }
}
