/** Streams, which are not there yet. */
import { Heading } from "../components/facts.tsx";

export function StreamsPage() {
  return (
    <>
      <Heading title="Streams" />
      <div class="empty">
        <p>amqpy has no streams yet: a queue of the type stream is refused when it is declared.</p>
        <p>
          For messages that stay after they were read, a fanout exchange with a <a href="#/queues">queue</a>{" "}
          for each reader does for now; an x-recent-history <a href="#/exchanges">exchange</a> gives a new
          queue the last messages.
        </p>
      </div>
    </>
  );
}
