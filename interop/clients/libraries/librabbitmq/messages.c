/* librabbitmq: publishing, confirms, deliveries, acknowledgements. */

#include "client.h"

/* Waits until the broker confirmed everything up to this number; whether it
 * took the last one. */
static int confirmed(connection_t connection, uint64_t number) {
  uint64_t last = 0;
  int taken = 0;
  while (last < number) {
    amqp_method_t method = next_method(connection);
    taken = method.id == AMQP_BASIC_ACK_METHOD;
    if (taken) {
      last = ((amqp_basic_ack_t *)method.decoded)->delivery_tag;
    } else {
      require(method.id == AMQP_BASIC_NACK_METHOD);
      last = ((amqp_basic_nack_t *)method.decoded)->delivery_tag;
    }
  }
  require(last == number);
  return taken;
}

static void confirms(void) {
  connection_t connection = open_connection();
  amqp_table_entry_t full[] = {number_entry("x-max-length", 1),
                               text_entry("x-overflow", "reject-publish")};
  amqp_bytes_t queue =
      exclusive_queue(connection, "confirms", amqp_empty_table);
  require(amqp_confirm_select(connection, 1) != NULL);
  for (int number = 0; number < 600; number++)
    publish(connection, "", queue, "confirmed");
  require(confirmed(connection, 600));
  require(messages_in(connection, queue) == 600);
  queue = exclusive_queue(connection, "full", (amqp_table_t){2, full});
  publish(connection, "", queue, "fits");
  require(confirmed(connection, 601));
  publish(connection, "", queue, "does not fit");
  require(!confirmed(connection, 602));
  close_connection(connection);
}

static void returns(void) {
  connection_t connection = open_connection();
  amqp_basic_return_t *returned;
  amqp_method_t method;
  amqp_message_t message;
  require(amqp_confirm_select(connection, 1) != NULL);
  require(amqp_basic_publish(connection, 1, amqp_empty_bytes,
                             bytes_of(name_of("nowhere")), 1, 0, NULL,
                             bytes_of("lost")) == AMQP_STATUS_OK);
  method = next_method(connection);
  require(method.id == AMQP_BASIC_RETURN_METHOD);
  returned = method.decoded;
  require(returned->reply_code == AMQP_NO_ROUTE);
  require(is(returned->reply_text, "NO_ROUTE"));
  require(is_normal(amqp_read_message(connection, 1, &message, 0)));
  require(is(message.body, "lost"));
  amqp_destroy_message(&message);
  require(confirmed(connection, 1));
  close_connection(connection);
}

static void prefetch(void) {
  connection_t connection = open_connection();
  amqp_bytes_t queue =
      exclusive_queue(connection, "prefetch", amqp_empty_table);
  amqp_envelope_t envelopes[3], fourth;
  require(amqp_confirm_select(connection, 1) != NULL);
  for (int number = 0; number < 5; number++)
    publish(connection, "", queue,
            (const char *[]){"0", "1", "2", "3", "4"}[number]);
  require(confirmed(connection, 5));
  require(amqp_basic_qos(connection, 1, 0, 3, 0) != NULL);
  consume(connection, queue);
  for (int number = 0; number < 3; number++)
    envelopes[number] = next_delivery(connection);
  require(messages_in(connection, queue) == 2);
  require(!amqp_frames_enqueued(connection));
  require(amqp_basic_ack(connection, 1, envelopes[2].delivery_tag, 1) ==
          AMQP_STATUS_OK);
  fourth = next_delivery(connection);
  require(is(fourth.message.body, "3") && !fourth.redelivered);
  require(amqp_basic_nack(connection, 1, fourth.delivery_tag, 0, 1) ==
          AMQP_STATUS_OK);
  for (int number = 0; number < 3; number++)
    amqp_destroy_envelope(&envelopes[number]);
  amqp_destroy_envelope(&fourth);
  for (int number = 0; number < 2; number++) {
    amqp_envelope_t each = next_delivery(connection);
    require(each.redelivered == is(each.message.body, "3"));
    amqp_destroy_envelope(&each);
  }
  close_connection(connection);
}

/* Checks the history of a dead letter. */
static void require_death(connection_t connection, const char *reason,
                          amqp_bytes_t queue) {
  amqp_envelope_t letter = next_delivery(connection);
  amqp_table_t headers = letter.message.properties.headers;
  amqp_array_t deaths = value_of(headers, "x-death")->value.array;
  amqp_table_t death = deaths.entries[0].value.table;
  require(is(letter.message.body, reason));
  require(deaths.num_entries == 1);
  require(is(value_of(death, "reason")->value.bytes, reason));
  require(is(value_of(death, "queue")->value.bytes, queue.bytes));
  require(is(value_of(death, "exchange")->value.bytes, ""));
  require(value_of(death, "count")->value.i64 == 1);
  require(is(value_of(headers, "x-first-death-reason")->value.bytes, reason));
  amqp_destroy_envelope(&letter);
}

static void dead_letter(void) {
  connection_t connection = open_connection();
  amqp_bytes_t grave = exclusive_queue(connection, "grave", amqp_empty_table);
  amqp_table_entry_t dies[] = {
      text_entry("x-dead-letter-exchange", ""),
      text_entry("x-dead-letter-routing-key", grave.bytes),
      number_entry("x-message-ttl", 1)};
  amqp_bytes_t work =
      exclusive_queue(connection, "work", (amqp_table_t){2, dies});
  amqp_bytes_t brief =
      exclusive_queue(connection, "brief", (amqp_table_t){3, dies});
  amqp_rpc_reply_t reply;
  publish(connection, "", work, "rejected");
  reply = amqp_basic_get(connection, 1, work, 0);
  require(reply.reply.id == AMQP_BASIC_GET_OK_METHOD);
  uint64_t tag = ((amqp_basic_get_ok_t *)reply.reply.decoded)->delivery_tag;
  amqp_message_t message;
  require(is_normal(amqp_read_message(connection, 1, &message, 0)));
  amqp_destroy_message(&message);
  require(amqp_basic_reject(connection, 1, tag, 0) == AMQP_STATUS_OK);
  consume(connection, grave);
  require_death(connection, "rejected", work);
  publish(connection, "", brief, "expired");
  require_death(connection, "expired", brief);
  close_connection(connection);
}

static void large_body(void) {
  const size_t frame = FRAME_MAX - 8;
  const size_t sizes[] = {0, 1, frame - 1, frame, frame + 1, 16 << 20};
  connection_t connection = open_connection();
  amqp_bytes_t queue = exclusive_queue(connection, "large", amqp_empty_table);
  FILE *noise = fopen("/dev/urandom", "r");
  require(noise != NULL);
  consume(connection, queue);
  for (size_t number = 0; number < sizeof sizes / sizeof sizes[0]; number++) {
    amqp_bytes_t body = amqp_bytes_malloc(sizes[number]);
    require(fread(body.bytes, 1, body.len, noise) == body.len);
    require(amqp_basic_publish(connection, 1, amqp_empty_bytes, queue, 0, 0,
                               NULL, body) == AMQP_STATUS_OK);
    amqp_envelope_t envelope = next_delivery(connection);
    require(envelope.message.body.len == body.len);
    require(memcmp(envelope.message.body.bytes, body.bytes, body.len) == 0);
    amqp_destroy_envelope(&envelope);
    amqp_bytes_free(body);
  }
  fclose(noise);
  close_connection(connection);
}

static void transactions(void) {
  connection_t connection = open_connection();
  amqp_bytes_t queue =
      exclusive_queue(connection, "transactions", amqp_empty_table);
  amqp_message_t message;
  require(amqp_tx_select(connection, 1) != NULL);
  publish(connection, "", queue, "rolled back");
  require(amqp_tx_rollback(connection, 1) != NULL);
  publish(connection, "", queue, "committed");
  require(!get(connection, queue, &message));
  require(amqp_tx_commit(connection, 1) != NULL);
  require(get(connection, queue, &message));
  require(is(message.body, "committed"));
  amqp_destroy_message(&message);
  close_connection(connection);
}

static void consumer_cancel(void) {
  connection_t connection = open_connection();
  amqp_bytes_t queue = exclusive_queue(connection, "cancel", amqp_empty_table);
  amqp_method_t method;
  require(amqp_basic_consume(connection, 1, queue, bytes_of("mine"), 0, 0, 0,
                             amqp_empty_table) != NULL);
  require(amqp_queue_delete(connection, 1, queue, 0, 0) != NULL);
  method = next_method(connection);
  require(method.id == AMQP_BASIC_CANCEL_METHOD);
  require(is(((amqp_basic_cancel_t *)method.decoded)->consumer_tag, "mine"));
  close_connection(connection);
}

int main(void) {
  const struct check checks[] = {
      {"confirms", confirms},
      {"returns", returns},
      {"prefetch", prefetch},
      {"dead-letter", dead_letter},
      {"large body", large_body},
      {"transactions", transactions},
      {"consumer cancel", consumer_cancel},
  };
  return perform(checks, sizeof checks / sizeof checks[0]);
}
