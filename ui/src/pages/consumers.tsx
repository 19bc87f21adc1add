/** All consumers. */
import { ConsumersTable } from "../components/consumers.tsx";
import { Heading } from "../components/facts.tsx";
import { scoped } from "../components/scope.ts";

export function ConsumersPage() {
  return (
    <>
      <Heading title="Consumers" />
      <ConsumersTable
        id="consumers"
        path={scoped("/consumers")}
        isInAddress
        empty="No client consumes from a queue."
      />
    </>
  );
}
