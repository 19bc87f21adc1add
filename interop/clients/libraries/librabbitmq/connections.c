/* librabbitmq: what is negotiated, many connections in one thread, and how
 * connections end. */

#include <poll.h>

#include "client.h"

static void negotiation(void) {
  amqp_rpc_reply_t reply;
  connection_t connection = log_in(NULL, NULL, &reply);
  require(is_normal(reply));
  require(amqp_get_frame_max(connection) == FRAME_MAX);
  require(amqp_get_channel_max(connection) == 2047);
  require(amqp_get_heartbeat(connection) == 0);
  amqp_table_t *server = amqp_get_server_properties(connection);
  amqp_table_t can = value_of(*server, "capabilities")->value.table;
  require(is(value_of(*server, "product")->value.bytes, "RabbitMQ"));
  require(value_of(can, "publisher_confirms")->value.boolean);
  require(value_of(can, "consumer_cancel_notify")->value.boolean);
  close_connection(connection);
}

static void channels(void) {
  enum { COUNT = 100 };
  amqp_queue_purge_ok_t *purged;
  connection_t connection = open_connection();
  amqp_bytes_t queue =
      exclusive_queue(connection, "channels", amqp_empty_table);
  for (int number = 2; number <= COUNT; number++) {
    require(amqp_channel_open(connection, number) != NULL);
    require(amqp_basic_publish(connection, number, amqp_empty_bytes, queue, 0,
                               0, NULL, queue) == AMQP_STATUS_OK);
    require(
        is_normal(amqp_channel_close(connection, number, AMQP_REPLY_SUCCESS)));
    amqp_maybe_release_buffers_on_channel(connection, number);
  }
  purged = amqp_queue_purge(connection, 1, queue);
  require(purged != NULL && purged->message_count == COUNT - 1);
  close_connection(connection);
}

/* Two consumers, each with a connection of its own, and one thread that waits
 * for both sockets. */
static void one_poll(void) {
  connection_t publisher = open_connection(), consumers[2];
  amqp_bytes_t queues[2];
  struct pollfd sockets[2];
  int received[2] = {0, 0};
  for (int number = 0; number < 2; number++) {
    consumers[number] = open_connection();
    queues[number] = bytes_of(name_of(number ? "poll.1" : "poll.0"));
    require(amqp_queue_declare(publisher, 1, queues[number], 0, 0, 0, 1,
                               amqp_empty_table) != NULL);
    consume(consumers[number], queues[number]);
    sockets[number].fd = amqp_get_sockfd(consumers[number]);
    sockets[number].events = POLLIN;
  }
  for (int number = 0; number < 100; number++)
    publish(publisher, "", queues[number % 2], "polled");
  while (received[0] < 50 || received[1] < 50) {
    require(poll(sockets, 2, deadline.tv_sec * 1000) > 0);
    for (int number = 0; number < 2; number++) {
      struct timeval at_once = {0, 0};
      amqp_envelope_t envelope;
      if (!sockets[number].revents) continue;
      while (is_normal(
          amqp_consume_message(consumers[number], &envelope, &at_once, 0))) {
        require(is(envelope.routing_key, queues[number].bytes));
        require(amqp_basic_ack(consumers[number], 1, envelope.delivery_tag,
                               0) == AMQP_STATUS_OK);
        amqp_destroy_envelope(&envelope);
        received[number]++;
      }
    }
  }
  require(received[0] == 50 && received[1] == 50);
  close_connection(consumers[0]);
  close_connection(consumers[1]);
  close_connection(publisher);
}

/* The library has no recovery: who finds that a connection is over makes a new
 * one. */
static void resume(const char *end, int status) {
  connection_t connection = open_connection();
  amqp_bytes_t queue = bytes_of(name_of("resumed"));
  amqp_envelope_t envelope;
  amqp_rpc_reply_t reply;
  require(amqp_queue_declare(connection, 1, queue, 0, 1, 0, 0,
                             amqp_empty_table) != NULL);
  publish(connection, "", queue, "unanswered");
  consume(connection, queue);
  envelope = next_delivery(connection);
  amqp_destroy_envelope(&envelope);
  command(end);
  reply = amqp_consume_message(connection, &envelope, &deadline, 0);
  require(reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION);
  require(reply.library_error == status);
  if (status == AMQP_STATUS_UNEXPECTED_STATE) {
    amqp_method_t method = next_method(connection);
    amqp_connection_close_t *close = method.decoded;
    amqp_connection_close_ok_t ok;
    require(method.id == AMQP_CONNECTION_CLOSE_METHOD);
    require(close->reply_code == AMQP_CONNECTION_FORCED);
    require(amqp_send_method(connection, 0, AMQP_CONNECTION_CLOSE_OK_METHOD,
                             &ok) == AMQP_STATUS_OK);
  }
  amqp_destroy_connection(connection);

  connection = open_connection();
  consume(connection, queue);
  envelope = next_delivery(connection);
  require(envelope.redelivered && is(envelope.message.body, "unanswered"));
  require(amqp_basic_ack(connection, 1, envelope.delivery_tag, 0) == 0);
  amqp_destroy_envelope(&envelope);
  require(amqp_queue_delete(connection, 1, queue, 0, 1) != NULL);
  close_connection(connection);
}

static void after_a_forced_close(void) {
  resume("close", AMQP_STATUS_UNEXPECTED_STATE);
}

static void after_a_cut(void) { resume("cut", AMQP_STATUS_CONNECTION_CLOSED); }

int main(void) {
  const struct check checks[] = {
      {"negotiation", negotiation},
      {"many channels", channels},
      {"two connections in one poll", one_poll},
      {"reconnect after a forced close", after_a_forced_close},
      {"reconnect after a cut", after_a_cut},
  };
  return perform(checks, sizeof checks / sizeof checks[0]);
}
