import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * For programs in Java: checks that are told as TAP, and the commands of the proxy.
 *
 * <pre>
 * new Checks().add("confirms", Program::confirms).perform();
 * </pre>
 */
final class Checks {
  static final String URL = System.getenv("AMQP_URL");

  /** Of the bodies that programs send in TLS: a record has 16,384 octets at most. */
  static final int[] TLS_SIZES = {0, 1, 16_384, 100_000, 1_000_000};

  static final long DEADLINE_S = 60;

  interface Check {
    void run() throws Exception;
  }

  private final Map<String, Check> checks = new LinkedHashMap<>();

  Checks add(String name, Check check) {
    checks.put(name, check);
    return this;
  }

  /** Performs the checks in order and ends the program. */
  void perform() {
    int failures = 0;
    for (Map.Entry<String, Check> each : checks.entrySet()) {
      try {
        each.getValue().run();
        System.out.println("ok - " + each.getKey());
      } catch (Exception | AssertionError fault) {
        System.out.println("not ok - " + each.getKey());
        System.out.println("# " + fault.toString().replace("\n", "\n# "));
        Arrays.stream(fault.getStackTrace()).limit(10).forEach(at -> System.out.println("#   " + at));
        failures++;
      }
    }
    System.out.println("1.." + checks.size());
    System.exit(failures > 0 ? 1 : 0);
  }

  /** Fails the check if the condition is not met, and tells the values. */
  static void require(boolean condition, Object... values) {
    if (!condition) {
      throw new AssertionError(Arrays.toString(values));
    }
  }

  /** The next thing that comes. */
  static <T> T next(BlockingQueue<T> queue) throws InterruptedException {
    T found = queue.poll(DEADLINE_S, TimeUnit.SECONDS);
    require(found != null, "waited in vain");
    return found;
  }

  /** A name for a queue or an exchange that no other program uses. */
  static String nameOf(String what) {
    return System.getenv("INTEROP_PREFIX") + "." + what;
  }

  /** Resets all connections of this program to the broker. */
  static void cut() throws IOException {
    command("cut");
  }

  /** Has all connections of this program closed with 320 CONNECTION_FORCED, as by an operator. */
  static void forceClose() throws IOException {
    command("close");
  }

  private static void command(String word) throws IOException {
    int port = Integer.parseInt(System.getenv("INTEROP_CONTROL"));
    try (Socket control = new Socket(InetAddress.getLoopbackAddress(), port)) {
      control.getOutputStream().write((word + "\n").getBytes());
      String answer = new BufferedReader(new InputStreamReader(control.getInputStream())).readLine();
      require("done".equals(answer), answer);
    }
  }
}
