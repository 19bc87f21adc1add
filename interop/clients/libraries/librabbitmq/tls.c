/* librabbitmq in TLS. */

#include <amqp_ssl_socket.h>

#include "client.h"

static struct amqp_connection_info info;

/* A connection that is not open yet, and its socket, which knows no authority
 * and has no certificate. */
static connection_t new_connection(amqp_socket_t **socket) {
  static char url[256];
  connection_t connection = amqp_new_connection();
  strncpy(url, getenv("AMQPS_URL"), sizeof url - 1);
  require(amqp_parse_url(url, &info) == AMQP_STATUS_OK && info.ssl);
  require((*socket = amqp_ssl_socket_new(connection)) != NULL);
  return connection;
}

static connection_t trusting_connection(amqp_socket_t **socket) {
  connection_t connection = new_connection(socket);
  require(amqp_ssl_socket_set_cacert(*socket, getenv("INTEROP_AUTHORITY")) ==
          AMQP_STATUS_OK);
  return connection;
}

static void bodies(void) {
  const size_t sizes[] = TLS_SIZES;
  amqp_socket_t *socket;
  connection_t connection = trusting_connection(&socket);
  amqp_bytes_t queue;
  require(amqp_socket_open(socket, info.host, info.port) == AMQP_STATUS_OK);
  require(is_normal(amqp_login(connection, info.vhost, 0, FRAME_MAX, 0,
                               AMQP_SASL_METHOD_PLAIN, info.user,
                               info.password)));
  require(amqp_channel_open(connection, 1) != NULL);
  queue = exclusive_queue(connection, "tls", amqp_empty_table);
  for (size_t number = 0; number < sizeof sizes / sizeof *sizes; number++) {
    amqp_bytes_t body = amqp_bytes_malloc(sizes[number]);
    amqp_message_t message;
    for (size_t at = 0; at < body.len; at++)
      ((char *)body.bytes)[at] = at * 31 % 251;
    require(amqp_basic_publish(connection, 1, amqp_empty_bytes, queue, 0, 0,
                               NULL, body) == AMQP_STATUS_OK);
    require(get(connection, queue, &message));
    require(message.body.len == body.len);
    require(memcmp(message.body.bytes, body.bytes, body.len) == 0);
    amqp_destroy_message(&message);
    amqp_bytes_free(body);
  }
  close_connection(connection);
}

static void unknown_authority(void) {
  amqp_socket_t *socket;
  connection_t connection = new_connection(&socket);
  int status = amqp_socket_open(socket, info.host, info.port);
  require(status == AMQP_STATUS_SSL_CONNECTION_FAILED ||
          status == AMQP_STATUS_SSL_PEER_VERIFY_FAILED);
  require(amqp_destroy_connection(connection) == AMQP_STATUS_OK);
}

static connection_t log_in_by_certificate(const char *certificate,
                                          amqp_rpc_reply_t *reply) {
  amqp_socket_t *socket;
  connection_t connection = trusting_connection(&socket);
  if (certificate)
    require(amqp_ssl_socket_set_key(socket, certificate, certificate) ==
            AMQP_STATUS_OK);
  require(amqp_socket_open(socket, info.host, info.port) == AMQP_STATUS_OK);
  *reply = amqp_login(connection, info.vhost, 0, FRAME_MAX, 0,
                      AMQP_SASL_METHOD_EXTERNAL, info.user);
  return connection;
}

static void external(void) {
  amqp_rpc_reply_t reply;
  amqp_message_t message;
  amqp_basic_properties_t properties = {._flags = AMQP_BASIC_USER_ID_FLAG};
  amqp_bytes_t queue;
  connection_t connection = log_in_by_certificate(NULL, &reply);
  require(reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION);
  require(reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD);
  require(((amqp_connection_close_t *)reply.reply.decoded)->reply_code ==
          AMQP_ACCESS_REFUSED);
  require(amqp_destroy_connection(connection) == AMQP_STATUS_OK);

  connection = log_in_by_certificate(getenv("INTEROP_CERTIFICATE"), &reply);
  require(is_normal(reply));
  require(amqp_channel_open(connection, 1) != NULL);
  queue = exclusive_queue(connection, "external", amqp_empty_table);
  properties.user_id = bytes_of(info.user);
  require(amqp_basic_publish(connection, 1, amqp_empty_bytes, queue, 0, 0,
                             &properties, queue) == AMQP_STATUS_OK);
  require(get(connection, queue, &message));
  require(is(message.properties.user_id, info.user));
  amqp_destroy_message(&message);
  close_connection(connection);
}

int main(void) {
  const struct check checks[] = {
      {"TLS: bodies of several sizes", bodies},
      {"TLS: an unknown authority is refused", unknown_authority},
      {"TLS: login by certificate", external},
  };
  return perform(checks, sizeof checks / sizeof *checks);
}
