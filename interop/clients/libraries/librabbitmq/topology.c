/* librabbitmq: exchanges, queues, bindings; and what the broker refuses. */

#include "client.h"

static void requires_refusal(connection_t connection, int code) {
  amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);
  require(reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION);
  if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    amqp_channel_close_t *close = reply.reply.decoded;
    amqp_channel_close_ok_t ok;
    require(close->reply_code == code);
    require(amqp_send_method(connection, 1, AMQP_CHANNEL_CLOSE_OK_METHOD,
                             &ok) == AMQP_STATUS_OK);
    require(amqp_channel_open(connection, 1) != NULL);
  } else {
    amqp_connection_close_t *close = reply.reply.decoded;
    amqp_connection_close_ok_t ok;
    require(reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD);
    require(close->reply_code == code);
    require(amqp_send_method(connection, 0, AMQP_CONNECTION_CLOSE_OK_METHOD,
                             &ok) == AMQP_STATUS_OK);
    require(amqp_destroy_connection(connection) == AMQP_STATUS_OK);
  }
}

/* Declares an auto-delete exchange, publishes, and unbinds, which deletes it.
 */
static void route(connection_t connection, amqp_bytes_t queue, const char *kind,
                  const char *binding_key, amqp_table_t arguments,
                  const char *key, amqp_table_t headers, int arrives) {
  const char *exchange = name_of(kind);
  amqp_basic_properties_t properties = {._flags = AMQP_BASIC_HEADERS_FLAG,
                                        .headers = headers};
  amqp_message_t message;
  require(amqp_exchange_declare(connection, 1, bytes_of(exchange),
                                bytes_of(kind), 0, 0, 1, 0,
                                amqp_empty_table) != NULL);
  require(amqp_queue_bind(connection, 1, queue, bytes_of(exchange),
                          bytes_of(binding_key), arguments) != NULL);
  require(amqp_basic_publish(connection, 1, bytes_of(exchange), bytes_of(key),
                             0, 0, &properties,
                             bytes_of(kind)) == AMQP_STATUS_OK);
  require(get(connection, queue, &message) == arrives);
  if (arrives) {
    require(is(message.body, kind));
    amqp_destroy_message(&message);
  }
  require(amqp_queue_unbind(connection, 1, queue, bytes_of(exchange),
                            bytes_of(binding_key), arguments) != NULL);
  require(amqp_exchange_declare(connection, 1, bytes_of(exchange),
                                bytes_of(kind), 1, 0, 1, 0,
                                amqp_empty_table) == NULL);
  requires_refusal(connection, 404);
}

static void topology(void) {
  connection_t connection = open_connection();
  amqp_table_entry_t limit = number_entry("x-max-length", 10);
  amqp_table_entry_t red = text_entry("colour", "red");
  amqp_table_entry_t matching[] = {text_entry("x-match", "all"), red,
                                   number_entry("size", 3)};
  amqp_table_t arguments = {3, matching}, headers = {2, matching + 1};
  amqp_table_t none = amqp_empty_table, too_few = {1, &red};
  amqp_bytes_t queue =
      exclusive_queue(connection, "topology", (amqp_table_t){1, &limit});
  route(connection, queue, "direct", "a.b", none, "a.b", none, 1);
  route(connection, queue, "direct", "a.b", none, "a.c", none, 0);
  route(connection, queue, "fanout", "", none, "whatever", none, 1);
  route(connection, queue, "topic", "a.*.#", none, "a.b.c.d", none, 1);
  route(connection, queue, "topic", "a.*.#", none, "a", none, 0);
  route(connection, queue, "headers", "", arguments, "", headers, 1);
  route(connection, queue, "headers", "", arguments, "", too_few, 0);
  close_connection(connection);
}

static void exchange_to_exchange(void) {
  connection_t connection = open_connection();
  amqp_bytes_t source = bytes_of(name_of("source"));
  amqp_bytes_t destination = bytes_of(name_of("destination"));
  amqp_bytes_t queue = exclusive_queue(connection, "end", amqp_empty_table);
  amqp_message_t message;
  require(amqp_exchange_declare(connection, 1, source, bytes_of("topic"), 0, 1,
                                0, 0, amqp_empty_table) != NULL);
  require(amqp_exchange_declare(connection, 1, destination, bytes_of("fanout"),
                                0, 1, 0, 1, amqp_empty_table) != NULL);
  require(amqp_exchange_bind(connection, 1, destination, source, bytes_of("#"),
                             amqp_empty_table) != NULL);
  require(amqp_queue_bind(connection, 1, queue, destination, amqp_empty_bytes,
                          amqp_empty_table) != NULL);
  publish(connection, source.bytes, bytes_of("any"), "through both");
  require(get(connection, queue, &message));
  require(is(message.body, "through both"));
  amqp_destroy_message(&message);
  require(amqp_exchange_unbind(connection, 1, destination, source,
                               bytes_of("#"), amqp_empty_table) != NULL);
  publish(connection, source.bytes, bytes_of("any"), "nowhere");
  require(!get(connection, queue, &message));
  require(amqp_exchange_delete(connection, 1, source, 1) != NULL);
  require(amqp_exchange_delete(connection, 1, destination, 0) != NULL);
  close_connection(connection);
}

static void purge_and_delete(void) {
  connection_t connection = open_connection();
  amqp_bytes_t queue = bytes_of(name_of("durable"));
  amqp_queue_purge_ok_t *purged;
  amqp_queue_delete_ok_t *deleted;
  require(amqp_queue_declare(connection, 1, queue, 0, 1, 0, 0,
                             amqp_empty_table) != NULL);
  for (int number = 0; number < 3; number++)
    publish(connection, "", queue, "purged");
  purged = amqp_queue_purge(connection, 1, queue);
  require(purged != NULL && purged->message_count == 3);
  publish(connection, "", queue, "deleted");
  require(amqp_queue_delete(connection, 1, queue, 0, 1) == NULL);
  requires_refusal(connection, 406);
  deleted = amqp_queue_delete(connection, 1, queue, 1, 0);
  require(deleted != NULL && deleted->message_count == 1);
  close_connection(connection);
}

static void channel_errors(void) {
  connection_t owner = open_connection(), connection = open_connection();
  amqp_bytes_t queue = exclusive_queue(owner, "owned", amqp_empty_table);
  amqp_bytes_t direct = bytes_of("amq.direct"), tag = bytes_of("tag");
  amqp_exchange_delete(connection, 1, direct, 0);
  requires_refusal(connection, 403);
  amqp_queue_declare(connection, 1, bytes_of(name_of("missing")), 1, 0, 0, 0,
                     amqp_empty_table);
  requires_refusal(connection, 404);
  amqp_basic_consume(connection, 1, queue, tag, 0, 0, 0, amqp_empty_table);
  requires_refusal(connection, 405);
  amqp_exchange_declare(connection, 1, direct, bytes_of("fanout"), 0, 1, 0, 0,
                        amqp_empty_table);
  requires_refusal(connection, 406);
  close_connection(connection);
  close_connection(owner);
}

static void connection_errors(void) {
  connection_t connection = open_connection();
  amqp_bytes_t queue = exclusive_queue(connection, "tags", amqp_empty_table);
  amqp_bytes_t tag = bytes_of("tag");
  amqp_basic_consume(connection, 1, queue, tag, 0, 0, 0, amqp_empty_table);
  amqp_basic_consume(connection, 1, queue, tag, 0, 0, 0, amqp_empty_table);
  requires_refusal(connection, 530);
  connection = open_connection();
  amqp_basic_qos(connection, 1, 1, 0, 0);
  requires_refusal(connection, 540);
}

static void refused_login(void) {
  amqp_rpc_reply_t reply;
  amqp_connection_close_t *close;
  connection_t connection = log_in("wrong", NULL, &reply);
  close = reply.reply.decoded;
  require(reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD);
  require(close->reply_code == AMQP_ACCESS_REFUSED);
  amqp_destroy_connection(connection);
  connection = log_in(NULL, name_of("vhost"), &reply);
  close = reply.reply.decoded;
  require(reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD);
  require(close->reply_code == AMQP_NOT_ALLOWED);
  amqp_destroy_connection(connection);
}

int main(void) {
  const struct check checks[] = {
      {"topology", topology},
      {"exchange to exchange", exchange_to_exchange},
      {"purge and delete", purge_and_delete},
      {"errors", channel_errors},
      {"errors of the connection", connection_errors},
      {"refused logins", refused_login},
  };
  return perform(checks, sizeof checks / sizeof checks[0]);
}
