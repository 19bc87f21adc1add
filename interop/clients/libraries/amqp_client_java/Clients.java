import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.AMQP.BasicProperties;
import java.util.Collections;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** What the checks have in common. */
final class Clients {
  /** Deliveries are shown as what basic.get answers, which has the same parts. */
  static final class Deliveries extends DefaultConsumer {
    final BlockingQueue<GetResponse> received = new LinkedBlockingQueue<>();
    final BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();

    Deliveries(Channel channel) {
      super(channel);
    }

    @Override
    public void handleDelivery(String tag, Envelope envelope, BasicProperties properties, byte[] body) {
      received.add(new GetResponse(envelope, properties, body, 0));
    }

    @Override
    public void handleCancel(String tag) {
      cancelled.add(tag);
    }
  }

  static ConnectionFactory factory() throws Exception {
    ConnectionFactory factory = new ConnectionFactory();
    factory.setUri(Checks.URL);
    factory.setNetworkRecoveryInterval(100);
    return factory;
  }

  static Connection connect() throws Exception {
    return factory().newConnection("interop");
  }

  /** Declares a queue that goes with its connection. */
  static String exclusiveQueue(Channel channel, String what, Map<String, Object> arguments)
      throws Exception {
    String name = Checks.nameOf(what);
    return channel.queueDeclare(name, false, true, false, arguments).getQueue();
  }

  static String exclusiveQueue(Channel channel, String what) throws Exception {
    return exclusiveQueue(channel, what, Collections.emptyMap());
  }

  static Deliveries consume(Channel channel, String queue) throws Exception {
    Deliveries deliveries = new Deliveries(channel);
    channel.basicConsume(queue, false, deliveries);
    return deliveries;
  }

  static void publish(Channel channel, String queue, String body) throws Exception {
    channel.basicPublish("", queue, null, body.getBytes());
  }

  static void ack(Channel channel, GetResponse delivery) throws Exception {
    channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
  }

  static String textOf(GetResponse delivery) {
    return new String(delivery.getBody());
  }
}
