/* librabbitmq: properties and headers, there and back. */

#include "client.h"

static amqp_field_value_t text_value(const char *text) {
  return text_entry("", text).value;
}

/* One header of each type that the library has. */
static amqp_table_t headers_of_all_types(void) {
  static amqp_table_entry_t inner, entries[18];
  static amqp_field_value_t items[2];
  amqp_table_entry_t *next = entries;
#define ADD(kind_, member, ...)                      \
  *next = entry_of(#kind_, AMQP_FIELD_KIND_##kind_); \
  next->value.value.member = __VA_ARGS__;            \
  next++
  inner = text_entry("inner", "value");
  items[0] = text_value("item");
  items[1] = number_entry("", 2).value;
  ADD(BOOLEAN, boolean, 1);
  ADD(I8, i8, -8);
  ADD(U8, u8, 200);
  ADD(I16, i16, -16000);
  ADD(U16, u16, 60000);
  ADD(I32, i32, -32);
  ADD(U32, u32, 4000000000);
  ADD(I64, i64, -64);
  ADD(F32, f32, 1.5);
  ADD(F64, f64, -2.5);
  ADD(DECIMAL, decimal, (amqp_decimal_t){2, 314});
  ADD(UTF8, bytes, bytes_of("żółć"));
  ADD(BYTES, bytes, (amqp_bytes_t){3, "\0\xff\0"});
  ADD(TIMESTAMP, u64, 1700000000);
  ADD(ARRAY, array, (amqp_array_t){2, items});
  ADD(TABLE, table, (amqp_table_t){1, &inner});
  ADD(VOID, u64, 0);
#undef ADD
  return (amqp_table_t){next - entries, entries};
}

/* An entry as it is on the wire. */
static amqp_bytes_t encoded(amqp_table_entry_t *entry, char *buffer,
                            size_t size) {
  amqp_table_t table = {1, entry};
  amqp_bytes_t room = {size, buffer};
  size_t offset = 0;
  require(amqp_encode_table(room, &table, &offset) == AMQP_STATUS_OK);
  return (amqp_bytes_t){offset, buffer};
}

static void require_same(amqp_table_t received, amqp_table_t sent) {
  char first[256], second[256];
  require(received.num_entries == sent.num_entries);
  for (int number = 0; number < sent.num_entries; number++) {
    amqp_table_entry_t *entry = &sent.entries[number];
    amqp_table_entry_t other = {.key = entry->key};
    other.value = *value_of(received, entry->key.bytes);
    amqp_bytes_t a = encoded(entry, first, sizeof first);
    amqp_bytes_t b = encoded(&other, second, sizeof second);
    require(a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0);
  }
}

static void properties(void) {
  connection_t connection = open_connection();
  amqp_bytes_t queue =
      exclusive_queue(connection, "properties", amqp_empty_table);
  amqp_message_t message;
  amqp_basic_properties_t sent = {
      ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG |
                AMQP_BASIC_CONTENT_ENCODING_FLAG | AMQP_BASIC_HEADERS_FLAG |
                AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_PRIORITY_FLAG |
                AMQP_BASIC_CORRELATION_ID_FLAG | AMQP_BASIC_REPLY_TO_FLAG |
                AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG |
                AMQP_BASIC_USER_ID_FLAG | AMQP_BASIC_APP_ID_FLAG |
                AMQP_BASIC_CLUSTER_ID_FLAG,
      .content_type = bytes_of("text/plain"),
      .content_encoding = bytes_of("identity"),
      .headers = headers_of_all_types(),
      .delivery_mode = AMQP_DELIVERY_PERSISTENT,
      .priority = 7,
      .correlation_id = bytes_of("correlation"),
      .reply_to = bytes_of("reply"),
      .expiration = bytes_of("60000"),
      .message_id = bytes_of("message"),
      .timestamp = 1600000000,
      .type = bytes_of("type"),
      .user_id = bytes_of("guest"),
      .app_id = bytes_of("app"),
      .cluster_id = bytes_of("cluster"),
  };
  require(amqp_basic_publish(connection, 1, amqp_empty_bytes, queue, 0, 0,
                             &sent, bytes_of("body")) == AMQP_STATUS_OK);
  require(get(connection, queue, &message));
  amqp_basic_properties_t *received = &message.properties;
  require(received->_flags == sent._flags);
  require(is(received->content_type, "text/plain"));
  require(is(received->content_encoding, "identity"));
  require_same(received->headers, sent.headers);
  require(received->delivery_mode == AMQP_DELIVERY_PERSISTENT);
  require(received->priority == 7);
  require(is(received->correlation_id, "correlation"));
  require(is(received->reply_to, "reply"));
  require(is(received->expiration, "60000"));
  require(is(received->message_id, "message"));
  require(received->timestamp == 1600000000);
  require(is(received->type, "type"));
  require(is(received->user_id, "guest"));
  require(is(received->app_id, "app"));
  require(is(received->cluster_id, "cluster"));
  amqp_destroy_message(&message);
  close_connection(connection);
}

int main(void) {
  const struct check checks[] = {{"properties", properties}};
  return perform(checks, 1);
}
