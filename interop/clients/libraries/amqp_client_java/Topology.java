import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.Method;
import com.rabbitmq.client.ShutdownSignalException;
import com.rabbitmq.client.impl.LongStringHelper;
import java.math.BigDecimal;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;

/** Exchanges, queues, bindings; properties; and what the broker refuses. */
final class Topology {
  static void topology() throws Exception {
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      Map<String, Object> none = Collections.emptyMap();
      Map<String, Object> headers = new HashMap<>(Map.of("colour", "red", "size", 3));
      Map<String, Object> arguments = new HashMap<>(headers);
      arguments.put("x-match", "all");
      String queue = Clients.exclusiveQueue(channel, "topology", Map.of("x-max-length", 10));
      route(channel, queue, BuiltinExchangeType.DIRECT, "a.b", none, "a.b", none, true);
      route(channel, queue, BuiltinExchangeType.DIRECT, "a.b", none, "a.c", none, false);
      route(channel, queue, BuiltinExchangeType.FANOUT, "", none, "whatever", none, true);
      route(channel, queue, BuiltinExchangeType.TOPIC, "a.*.#", none, "a.b.c.d", none, true);
      route(channel, queue, BuiltinExchangeType.TOPIC, "a.*.#", none, "a", none, false);
      route(channel, queue, BuiltinExchangeType.HEADERS, "", arguments, "", headers, true);
      headers.remove("size");
      route(channel, queue, BuiltinExchangeType.HEADERS, "", arguments, "", headers, false);
      exchangeToExchange(channel, queue);
      purgeAndDelete(channel);
    }
  }

  /** Declares an auto-delete exchange, publishes, and unbinds, which deletes it. */
  private static void route(
      Channel channel,
      String queue,
      BuiltinExchangeType type,
      String bindingKey,
      Map<String, Object> arguments,
      String key,
      Map<String, Object> headers,
      boolean arrives)
      throws Exception {
    String exchange = Checks.nameOf(type.getType());
    channel.exchangeDeclare(exchange, type, false, true, null);
    channel.exchangeDeclarePassive(exchange);
    channel.queueBind(queue, exchange, bindingKey, arguments);
    BasicProperties properties = new BasicProperties.Builder().headers(headers).build();
    channel.basicPublish(exchange, key, properties, type.getType().getBytes());
    GetResponse received = channel.basicGet(queue, true);
    Checks.require((received != null) == arrives, type, key);
    channel.queueUnbind(queue, exchange, bindingKey, arguments);
    Channel other = channel.getConnection().createChannel();
    refused(404, () -> other.exchangeDeclarePassive(exchange));
  }

  private static void exchangeToExchange(Channel channel, String queue) throws Exception {
    String source = Checks.nameOf("source");
    String destination = Checks.nameOf("destination");
    channel.exchangeDeclare(source, "topic", true);
    channel.exchangeDeclare(destination, "fanout", true, false, true, null);
    channel.exchangeBind(destination, source, "#");
    channel.queueBind(queue, destination, "");
    channel.basicPublish(source, "any", null, "through both".getBytes());
    GetResponse received = channel.basicGet(queue, true);
    Checks.require(received.getEnvelope().getExchange().equals(source), received.getEnvelope());
    channel.exchangeUnbind(destination, source, "#");
    channel.basicPublish(source, "any", null, "nowhere".getBytes());
    Checks.require(channel.basicGet(queue, true) == null);
    channel.exchangeDelete(source, true);
    channel.exchangeDelete(destination);
  }

  private static void purgeAndDelete(Channel channel) throws Exception {
    String queue = channel.queueDeclare(Checks.nameOf("durable"), true, false, false, null).getQueue();
    for (int number = 0; number < 3; number++) {
      Clients.publish(channel, queue, "purged");
    }
    int purged = channel.queuePurge(queue).getMessageCount();
    Checks.require(purged == 3, purged);
    Clients.publish(channel, queue, "deleted");
    int deleted = channel.queueDelete(queue, true, false).getMessageCount();
    Checks.require(deleted == 1, deleted);
  }

  static void properties() throws Exception {
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      String queue = Clients.exclusiveQueue(channel, "properties");
      Map<String, Object> headers = new HashMap<>();
      headers.put("boolean", true);
      headers.put("byte", (byte) -8);
      headers.put("short", (short) -16);
      headers.put("int", -32);
      headers.put("long", -64L);
      headers.put("float", 1.5f);
      headers.put("double", -2.5);
      headers.put("decimal", new BigDecimal("3.14"));
      headers.put("text", LongStringHelper.asLongString("żółć"));
      headers.put("date", new Date(1_700_000_000_000L));
      headers.put("list", Arrays.asList(1, LongStringHelper.asLongString("two"), null));
      headers.put("map", Map.of("deep", Map.of("er", 1L)));
      headers.put("null", null);
      BasicProperties sent =
          new BasicProperties(
              "text/plain", "identity", headers, 2, 7, "correlation", "reply", "60000", "message",
              new Date(1_600_000_000_000L), "type", "guest", "app", "cluster");
      channel.basicPublish("", queue, sent, new byte[0]);
      BasicProperties received = channel.basicGet(queue, true).getProps();
      Checks.require(received.getHeaders().equals(headers), received.getHeaders(), headers);
      String shown = received.builder().headers(null).build().toString();
      Checks.require(shown.equals(sent.builder().headers(null).build().toString()), shown);
      channel.basicPublish("", queue, sent.builder().headers(Map.of("x", new byte[] {0, -1})).build(), null);
      byte[] bytes = (byte[]) channel.basicGet(queue, true).getProps().getHeaders().get("x");
      Checks.require(Arrays.equals(bytes, new byte[] {0, -1}));
    }
  }

  static void errors() throws Exception {
    try (Connection connection = Clients.connect();
        Connection other = Clients.connect()) {
      String queue = Clients.exclusiveQueue(other.createChannel(), "other");
      Channel first = connection.createChannel();
      refused(403, () -> first.exchangeDelete("amq.direct"));
      try {
        first.basicQos(1);
        throw new AssertionError("the channel is open");
      } catch (AlreadyClosedException expected) {
        Checks.require(codeOf(expected) == 403);
      }
      Channel second = connection.createChannel();
      refused(404, () -> second.queueDeclarePassive(Checks.nameOf("missing")));
      Channel third = connection.createChannel();
      refused(405, () -> third.basicGet(queue, true));
      Channel fourth = connection.createChannel();
      refused(406, () -> fourth.exchangeDeclare("amq.direct", "fanout", true));
      Checks.require(connection.isOpen());
      connection.createChannel().basicQos(1);
    }
  }

  static void connectionErrors() throws Exception {
    ConnectionFactory factory = Clients.factory();
    factory.setAutomaticRecoveryEnabled(false);
    Channel reusing = factory.newConnection().createChannel();
    String queue = Clients.exclusiveQueue(reusing, "tags");
    Clients.Deliveries consumer = new Clients.Deliveries(reusing);
    reusing.basicConsume(queue, false, "tag", consumer);
    refused(530, () -> reusing.basicConsume(queue, false, "tag", consumer));
    Channel limiting = factory.newConnection().createChannel();
    refused(540, () -> limiting.basicQos(1, 1, false));
    Checks.require(!limiting.getConnection().isOpen());

    factory.setVirtualHost(Checks.nameOf("vhost"));
    refused(530, factory::newConnection);
    factory.setPassword("wrong");
    try {
      factory.newConnection();
      throw new AssertionError("logged in");
    } catch (AuthenticationFailureException expected) {
      Checks.require(expected.getMessage().startsWith("ACCESS_REFUSED"), expected);
    }
  }

  private static void refused(int code, Checks.Check operation) throws Exception {
    try {
      operation.run();
    } catch (Exception refusal) {
      Checks.require(refusal.getCause() instanceof ShutdownSignalException, refusal);
      Checks.require(codeOf((ShutdownSignalException) refusal.getCause()) == code, refusal);
      return;
    }
    throw new AssertionError("not refused");
  }

  private static int codeOf(ShutdownSignalException signal) {
    Method reason = signal.getReason();
    return reason instanceof AMQP.Channel.Close
        ? ((AMQP.Channel.Close) reason).getReplyCode()
        : ((AMQP.Connection.Close) reason).getReplyCode();
  }
}
