import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoveryListener;
import com.rabbitmq.client.ShutdownSignalException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** The library's automatic recovery: the same objects go on with a new connection. */
final class Recovery {
  interface End {
    void run() throws Exception;
  }

  static void afterForcedClose() throws Exception {
    recovers(Checks::forceClose);
  }

  static void afterCut() throws Exception {
    recovers(Checks::cut);
  }

  private static void recovers(End end) throws Exception {
    try (Connection connection = Clients.connect()) {
      BlockingQueue<Recoverable> recovered = new LinkedBlockingQueue<>();
      BlockingQueue<ShutdownSignalException> ended = new LinkedBlockingQueue<>();
      ((Recoverable) connection)
          .addRecoveryListener(
              new RecoveryListener() {
                @Override
                public void handleRecovery(Recoverable recoverable) {
                  recovered.add(recoverable);
                }

                @Override
                public void handleRecoveryStarted(Recoverable recoverable) {}
              });
      connection.addShutdownListener(ended::add);
      Channel channel = connection.createChannel();
      String exchange = Checks.nameOf("recovered");
      channel.exchangeDeclare(exchange, "topic", false, true, null);
      String queue = channel.queueDeclare(exchange, true, false, false, null).getQueue();
      channel.queueBind(queue, exchange, "key.*");
      channel.basicQos(1);
      Clients.Deliveries consumer = Clients.consume(channel, queue);
      channel.basicPublish(exchange, "key.1", null, "unanswered".getBytes());
      Checks.require(!Checks.next(consumer.received).getEnvelope().isRedeliver());
      end.run();
      Checks.require(!Checks.next(ended).isInitiatedByApplication());
      Checks.next(recovered);

      GetResponse again = Checks.next(consumer.received);
      Checks.require(Clients.textOf(again).equals("unanswered") && again.getEnvelope().isRedeliver());
      Clients.ack(channel, again);
      channel.basicPublish(exchange, "key.2", null, "after".getBytes());
      GetResponse after = Checks.next(consumer.received);
      Checks.require(Clients.textOf(after).equals("after"));
      Clients.ack(channel, after);
      channel.basicCancel(consumer.getConsumerTag());
      channel.queueDelete(queue, true, true);
    }
  }
}
