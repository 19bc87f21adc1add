/* What the programs for librabbitmq have in common. */

#ifndef CLIENT_H
#define CLIENT_H

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <string.h>
#include <sys/time.h>

#include "checks.h"

#define FRAME_MAX 131072

/* How long to wait for something that should come at once. */
static struct timeval deadline = {60, 0};

typedef amqp_connection_state_t connection_t;

static amqp_bytes_t bytes_of(const char *text) {
  return amqp_cstring_bytes(text);
}

static int is(amqp_bytes_t bytes, const char *text) {
  return bytes.len == strlen(text) && memcmp(bytes.bytes, text, bytes.len) == 0;
}

static int is_normal(amqp_rpc_reply_t reply) {
  return reply.reply_type == AMQP_RESPONSE_NORMAL;
}

/* An argument of a queue, a binding, … or a header. */
static amqp_table_entry_t entry_of(const char *key, uint8_t kind) {
  amqp_table_entry_t entry = {.key = bytes_of(key), .value.kind = kind};
  return entry;
}

static amqp_table_entry_t text_entry(const char *key, const char *text) {
  amqp_table_entry_t entry = entry_of(key, AMQP_FIELD_KIND_UTF8);
  entry.value.value.bytes = bytes_of(text);
  return entry;
}

static amqp_table_entry_t number_entry(const char *key, int number) {
  amqp_table_entry_t entry = entry_of(key, AMQP_FIELD_KIND_I32);
  entry.value.value.i32 = number;
  return entry;
}

/* Logs in; what came of it is in `reply`. */
static connection_t log_in(const char *password, const char *vhost,
                           amqp_rpc_reply_t *reply) {
  static char url[256];
  struct amqp_connection_info info;
  connection_t connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  amqp_table_entry_t can =
      entry_of("consumer_cancel_notify", AMQP_FIELD_KIND_BOOLEAN);
  amqp_table_entry_t capabilities =
      entry_of("capabilities", AMQP_FIELD_KIND_TABLE);
  amqp_table_t properties = {1, &capabilities};
  can.value.value.boolean = 1;
  capabilities.value.value.table = (amqp_table_t){1, &can};
  strncpy(url, getenv("AMQP_URL"), sizeof url - 1);
  require(amqp_parse_url(url, &info) == AMQP_STATUS_OK);
  require(amqp_socket_open(socket, info.host, info.port) == AMQP_STATUS_OK);
  *reply = amqp_login_with_properties(
      connection, vhost ? vhost : info.vhost, 0, FRAME_MAX, 0, &properties,
      AMQP_SASL_METHOD_PLAIN, info.user, password ? password : info.password);
  return connection;
}

/* A connection with channel 1. */
static connection_t open_connection(void) {
  amqp_rpc_reply_t reply;
  connection_t connection = log_in(NULL, NULL, &reply);
  require(is_normal(reply));
  require(amqp_channel_open(connection, 1) != NULL);
  return connection;
}

static void close_connection(connection_t connection) {
  require(is_normal(amqp_connection_close(connection, AMQP_REPLY_SUCCESS)));
  require(amqp_destroy_connection(connection) == AMQP_STATUS_OK);
}

/* A queue that goes with its connection. */
static amqp_bytes_t exclusive_queue(connection_t connection, const char *what,
                                    amqp_table_t arguments) {
  const char *name = name_of(what);
  require(amqp_queue_declare(connection, 1, bytes_of(name), 0, 0, 1, 0,
                             arguments) != NULL);
  return bytes_of(name);
}

static int messages_in(connection_t connection, amqp_bytes_t queue) {
  amqp_queue_declare_ok_t *state =
      amqp_queue_declare(connection, 1, queue, 1, 0, 0, 0, amqp_empty_table);
  require(state != NULL);
  return state->message_count;
}

static void publish(connection_t connection, const char *exchange,
                    amqp_bytes_t key, const char *body) {
  require(amqp_basic_publish(connection, 1, bytes_of(exchange), key, 0, 0, NULL,
                             bytes_of(body)) == AMQP_STATUS_OK);
}

/* Takes a message out of a queue, to be freed with amqp_destroy_message;
 * whether there was one. */
static int get(connection_t connection, amqp_bytes_t queue,
               amqp_message_t *message) {
  amqp_rpc_reply_t reply = amqp_basic_get(connection, 1, queue, 1);
  require(is_normal(reply));
  if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) return 0;
  require(is_normal(amqp_read_message(connection, 1, message, 0)));
  return 1;
}

static void consume(connection_t connection, amqp_bytes_t queue) {
  require(amqp_basic_consume(connection, 1, queue, amqp_empty_bytes, 0, 0, 0,
                             amqp_empty_table) != NULL);
}

/* The next delivery, to be freed with amqp_destroy_envelope. */
static amqp_envelope_t next_delivery(connection_t connection) {
  amqp_envelope_t envelope;
  amqp_maybe_release_buffers(connection);
  require(is_normal(amqp_consume_message(connection, &envelope, &deadline, 0)));
  return envelope;
}

/* The next method that is no reply and no delivery: a confirm, a return, a
 * cancellation, a close. */
static amqp_method_t next_method(connection_t connection) {
  amqp_frame_t frame;
  require(amqp_simple_wait_frame_noblock(connection, &frame, &deadline) ==
          AMQP_STATUS_OK);
  require(frame.frame_type == AMQP_FRAME_METHOD);
  return frame.payload.method;
}

static const amqp_field_value_t *value_of(amqp_table_t table, const char *key) {
  for (int number = 0; number < table.num_entries; number++)
    if (is(table.entries[number].key, key)) return &table.entries[number].value;
  require(!"the key is there");
  return NULL;
}

#endif
