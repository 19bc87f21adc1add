import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ConfirmListener;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.ShutdownSignalException;
import com.rabbitmq.client.StringRpcServer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Publishing, confirms, deliveries, acknowledgements. */
final class Messages {
  private static final long DEADLINE_MS = TimeUnit.SECONDS.toMillis(Checks.DEADLINE_S);

  static void confirms() throws Exception {
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      channel.confirmSelect();
      String queue = Clients.exclusiveQueue(channel, "confirms");
      for (int number = 0; number < 600; number++) {
        channel.basicPublish("", queue, MessageProperties.PERSISTENT_BASIC, new byte[1]);
      }
      channel.waitForConfirmsOrDie(DEADLINE_MS);
      Checks.require(channel.messageCount(queue) == 600);
      Checks.require(channel.getNextPublishSeqNo() == 601);
      Map<String, Object> full = Map.of("x-max-length", 1, "x-overflow", "reject-publish");
      queue = Clients.exclusiveQueue(channel, "full", full);
      Clients.publish(channel, queue, "fits");
      Checks.require(channel.waitForConfirms(DEADLINE_MS));
      Clients.publish(channel, queue, "does not fit");
      Checks.require(!channel.waitForConfirms(DEADLINE_MS));
    }
  }

  static void returns() throws Exception {
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      BlockingQueue<String> told = new LinkedBlockingQueue<>();
      channel.addReturnListener(
          (code, text, exchange, key, properties, body) ->
              told.add(code + " " + text + " " + new String(body)));
      channel.addConfirmListener(
          new ConfirmListener() {
            @Override
            public void handleAck(long tag, boolean multiple) {
              told.add("ack " + tag);
            }

            @Override
            public void handleNack(long tag, boolean multiple) {
              told.add("nack " + tag);
            }
          });
      channel.confirmSelect();
      channel.basicPublish("", Checks.nameOf("nowhere"), true, null, "lost".getBytes());
      String first = Checks.next(told);
      Checks.require(first.equals("312 NO_ROUTE lost"), first);
      String second = Checks.next(told);
      Checks.require(second.equals("ack 1"), second);
    }
  }

  static void prefetch() throws Exception {
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      channel.confirmSelect();
      String queue = Clients.exclusiveQueue(channel, "prefetch");
      for (int number = 0; number < 5; number++) {
        Clients.publish(channel, queue, "" + number);
      }
      channel.waitForConfirmsOrDie(DEADLINE_MS);
      channel.basicQos(3);
      BlockingQueue<GetResponse> received = Clients.consume(channel, queue).received;
      Checks.next(received);
      Checks.next(received);
      GetResponse third = Checks.next(received);
      Checks.require(channel.messageCount(queue) == 2 && received.isEmpty());
      channel.basicAck(third.getEnvelope().getDeliveryTag(), true);
      GetResponse fourth = Checks.next(received);
      Checks.require(Clients.textOf(fourth).equals("3") && !fourth.getEnvelope().isRedeliver());
      channel.basicNack(fourth.getEnvelope().getDeliveryTag(), false, true);
      for (int number = 0; number < 2; number++) {
        GetResponse each = Checks.next(received);
        Checks.require(Clients.textOf(each).equals("3") == each.getEnvelope().isRedeliver(), each);
      }
    }
  }

  static void deadLetter() throws Exception {
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      String grave = Clients.exclusiveQueue(channel, "grave");
      Map<String, Object> dies = new HashMap<>();
      dies.put("x-dead-letter-exchange", "");
      dies.put("x-dead-letter-routing-key", grave);
      String work = Clients.exclusiveQueue(channel, "work", dies);
      dies.put("x-message-ttl", 1);
      String brief = Clients.exclusiveQueue(channel, "brief", dies);
      BlockingQueue<GetResponse> graves = Clients.consume(channel, grave).received;
      Clients.publish(channel, work, "rejected");
      GetResponse refused = Checks.next(Clients.consume(channel, work).received);
      channel.basicReject(refused.getEnvelope().getDeliveryTag(), false);
      requireDeath(Checks.next(graves), "rejected", work);
      Clients.publish(channel, brief, "expired");
      requireDeath(Checks.next(graves), "expired", brief);
    }
  }

  private static void requireDeath(GetResponse letter, String reason, String queue) {
    Checks.require(Clients.textOf(letter).equals(reason), Clients.textOf(letter));
    Map<?, ?> headers = letter.getProps().getHeaders();
    List<?> deaths = (List<?>) headers.get("x-death");
    Map<?, ?> death = (Map<?, ?>) deaths.get(0);
    Checks.require(deaths.size() == 1 && death.get("count").equals(1L), deaths);
    Checks.require(death.get("reason").toString().equals(reason), death);
    Checks.require(death.get("queue").toString().equals(queue), death);
    Checks.require(headers.get("x-first-death-reason").toString().equals(reason), headers);
  }

  static void largeBody() throws Exception {
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      String queue = Clients.exclusiveQueue(channel, "large");
      BlockingQueue<GetResponse> received = Clients.consume(channel, queue).received;
      int frame = connection.getFrameMax() - 8;
      for (int size : new int[] {0, 1, frame - 1, frame, frame + 1, 16 << 20}) {
        byte[] body = new byte[size];
        new Random().nextBytes(body);
        channel.basicPublish("", queue, null, body);
        GetResponse delivery = Checks.next(received);
        Checks.require(Arrays.equals(delivery.getBody(), body), size);
        Clients.ack(channel, delivery);
      }
    }
  }

  static void consumerCancel() throws Exception {
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      String queue = Clients.exclusiveQueue(channel, "cancel");
      Clients.Deliveries consumer = Clients.consume(channel, queue);
      channel.queueDelete(queue);
      Checks.require(Checks.next(consumer.cancelled).equals(consumer.getConsumerTag()));
    }
  }

  static void transactions() throws Exception {
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      Channel other = connection.createChannel();
      String queue = Clients.exclusiveQueue(channel, "transactions");
      channel.txSelect();
      Clients.publish(channel, queue, "rolled back");
      channel.txRollback();
      Clients.publish(channel, queue, "committed");
      Checks.require(other.basicGet(queue, true) == null);
      channel.txCommit();
      Checks.require(Clients.textOf(other.basicGet(queue, true)).equals("committed"));
    }
  }

  /** The library's own client and server, by way of amq.rabbitmq.reply-to. */
  static void rpc() throws Exception {
    ExecutorService pool = Executors.newSingleThreadExecutor();
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      String queue = Clients.exclusiveQueue(channel, "rpc");
      StringRpcServer server =
          new StringRpcServer(channel, queue) {
            @Override
            public String handleStringCall(String request, BasicProperties properties) {
              return request.toUpperCase();
            }
          };
      Future<ShutdownSignalException> end = pool.submit(server::mainloop);
      RpcClient client = new RpcClient(connection.createChannel(), "", queue);
      for (int number = 0; number < 20; number++) {
        String answer = client.stringCall("call " + number);
        Checks.require(answer.equals("CALL " + number), answer);
      }
      client.close();
      channel.close();
      Checks.require(end.get(Checks.DEADLINE_S, TimeUnit.SECONDS).isInitiatedByApplication());
    } finally {
      pool.shutdownNow();
    }
  }

  /** Many threads on one connection, each with a channel of its own. */
  static void threads() throws Exception {
    int count = 8;
    ExecutorService pool = Executors.newFixedThreadPool(count);
    try (Connection connection = Clients.connect()) {
      Channel channel = connection.createChannel();
      String queue = Clients.exclusiveQueue(channel, "threads");
      List<Future<?>> workers =
          IntStream.range(0, count)
              .mapToObj(number -> pool.submit(() -> confirmSome(connection, queue)))
              .collect(Collectors.toList());
      for (Future<?> worker : workers) {
        worker.get(Checks.DEADLINE_S, TimeUnit.SECONDS);
      }
      Checks.require(channel.messageCount(queue) == count * 100);
    } finally {
      pool.shutdownNow();
    }
  }

  private static Void confirmSome(Connection connection, String queue) throws Exception {
    Channel channel = connection.createChannel();
    channel.confirmSelect();
    for (int number = 0; number < 100; number++) {
      Clients.publish(channel, queue, "" + number);
      channel.waitForConfirmsOrDie(DEADLINE_MS);
    }
    channel.close();
    return null;
  }
}
