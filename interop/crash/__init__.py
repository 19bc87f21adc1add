"""The crash test: clients that keep a record, a broker that is killed again and again, and a look at what is left.

`play` runs the rounds: it starts the broker on the same directory, lets `actors` and `churn` work on the
queues of `topology`, and kills it at some moment, with SIGKILL, or stops it in good order. What clients sent, were
promised and received is in a `History`, which finds at once what must never be delivered. Now and then `check` takes
all that is left out of the queues, and compares it with what was promised:

- a persistent message that was confirmed or committed is there, once for each queue it was routed to, or was acked;
- of what was not confirmed there is at most one copy, and of a commit without an answer all or nothing;
- a dead letter is where it was or where it goes, never in both places nor in none; so is a message that is moved
  (`mover`);
- what was acked for good does not come back: the ack was committed; or it had been processed when a message was
  published, to where nobody takes it away, that was confirmed later;
- what was delivered before comes back as redelivered, and what is in order stays in order;
- streams keep what was confirmed, and what was read, at its offset (`streams`);
- what was declared is there, with its arguments and bindings; what was deleted, and what is transient, is gone.

What is drawn by chance comes from a seed. When the kernel lets whom run does not: a seed that fails may pass the
next time.
"""
