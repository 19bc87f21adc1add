import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultSaslConfig;
import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import java.util.Random;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/** com.rabbitmq:amqp-client, in TLS. */
final class Tls {
  private static final char[] PASSWORD = "interop".toCharArray();

  public static void main(String[] arguments) {
    new Checks()
        .add("TLS: bodies of several sizes", Tls::bodies)
        .add("TLS: an unknown authority is refused", Tls::unknownAuthority)
        .add("TLS: login by certificate", Tls::external)
        .perform();
  }

  private static ConnectionFactory factory(KeyManager[] ours, TrustManager[] theirs) throws Exception {
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(ours, theirs, null);
    ConnectionFactory factory = new ConnectionFactory();
    factory.setUri(System.getenv("AMQPS_URL"));
    factory.useSslProtocol(context);
    return factory;
  }

  /** What knows the authority of the broker's certificate. */
  private static TrustManager[] trusting() throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (InputStream file = new FileInputStream(System.getenv("INTEROP_AUTHORITY"))) {
      store.setCertificateEntry(
          "authority", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    TrustManagerFactory managers =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(store);
    return managers.getTrustManagers();
  }

  /** What has the client's certificate. */
  private static KeyManager[] certified() throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream file = new FileInputStream(System.getenv("INTEROP_PKCS12"))) {
      store.load(file, PASSWORD);
    }
    KeyManagerFactory managers =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    managers.init(store, PASSWORD);
    return managers.getKeyManagers();
  }

  private static void bodies() throws Exception {
    try (Connection connection = factory(null, trusting()).newConnection("interop")) {
      Channel channel = connection.createChannel();
      String queue = Clients.exclusiveQueue(channel, "tls");
      Clients.Deliveries deliveries = Clients.consume(channel, queue);
      for (int size : Checks.TLS_SIZES) {
        byte[] body = new byte[size];
        new Random(size).nextBytes(body);
        channel.basicPublish("", queue, null, body);
        Checks.require(Arrays.equals(Checks.next(deliveries.received).getBody(), body), size);
      }
    }
  }

  private static void unknownAuthority() throws Exception {
    try {
      factory(null, null).newConnection("interop").close();
    } catch (SSLHandshakeException refusal) {
      return;
    }
    Checks.require(false, "it trusts anybody");
  }

  private static void external() throws Exception {
    try {
      factoryOfCertified(null).newConnection("interop").close();
      Checks.require(false, "it came in without a certificate");
    } catch (AuthenticationFailureException refusal) {
      Checks.require(refusal.getMessage().contains("mechanism EXTERNAL"), refusal);
    }
    ConnectionFactory factory = factoryOfCertified(certified());
    try (Connection connection = factory.newConnection("interop")) {
      Channel channel = connection.createChannel();
      String queue = Clients.exclusiveQueue(channel, "external");
      BasicProperties properties =
          new BasicProperties.Builder().userId(factory.getUsername()).build();
      channel.basicPublish("", queue, properties, new byte[0]);
      String userId = channel.basicGet(queue, true).getProps().getUserId();
      Checks.require(factory.getUsername().equals(userId), userId);
    }
  }

  private static ConnectionFactory factoryOfCertified(KeyManager[] ours) throws Exception {
    ConnectionFactory factory = factory(ours, trusting());
    factory.setSaslConfig(DefaultSaslConfig.EXTERNAL);
    return factory;
  }
}
