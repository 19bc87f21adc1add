/** com.rabbitmq:amqp-client. */
final class Program {
  public static void main(String[] arguments) {
    new Checks()
        .add("topology", Topology::topology)
        .add("properties", Topology::properties)
        .add("errors", Topology::errors)
        .add("errors of the connection", Topology::connectionErrors)
        .add("confirms", Messages::confirms)
        .add("returns", Messages::returns)
        .add("prefetch", Messages::prefetch)
        .add("dead-letter", Messages::deadLetter)
        .add("large body", Messages::largeBody)
        .add("consumer cancel", Messages::consumerCancel)
        .add("transactions", Messages::transactions)
        .add("rpc", Messages::rpc)
        .add("threads", Messages::threads)
        .add("reconnect after a forced close", Recovery::afterForcedClose)
        .add("reconnect after a cut", Recovery::afterCut)
        .perform();
  }
}
