/* For programs in C: checks that are told as TAP, and the commands of the
 * proxy.
 *
 *     int main(void) {
 *       const struct check checks[] = {{"confirms", confirms}};
 *       return perform(checks, 1);
 *     }
 */

#ifndef CHECKS_H
#define CHECKS_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct check {
  const char *name;
  void (*run)(void);
};

static jmp_buf check_failed;
static char check_fault[256];

/* Of the bodies that programs send in TLS: a record has 16,384 octets at most.
 */
#define TLS_SIZES {0, 1, 16384, 100000, 1000000}

/* Fails the check that is being run unless the condition is met. */
#define require(condition) require_at(condition, #condition, __FILE__, __LINE__)

static void require_at(int condition, const char *text, const char *file,
                       int line) {
  if (condition) return;
  snprintf(check_fault, sizeof check_fault, "%s:%d: %s", file, line, text);
  longjmp(check_failed, 1);
}

/* Performs the checks in order; what main returns. */
static int perform(const struct check *checks, int count) {
  volatile int failures = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (volatile int number = 0; number < count; number++) {
    if (setjmp(check_failed) == 0) {
      checks[number].run();
      printf("ok - %s\n", checks[number].name);
    } else {
      printf("not ok - %s\n# %s\n", checks[number].name, check_fault);
      failures++;
    }
  }
  printf("1..%d\n", count);
  return failures > 0;
}

/* A name for a queue or an exchange that no other program uses. */
static const char *name_of(const char *what) {
  static char names[8][256];
  static int last;
  char *name = names[last++ % 8];
  snprintf(name, sizeof names[0], "%s.%s", getenv("INTEROP_PREFIX"), what);
  return name;
}

/* Tells the proxy to `cut` or to `close` all connections of this program; close
 * is 320 CONNECTION_FORCED. */
static void command(const char *word) {
  struct sockaddr_in address = {
      .sin_family = AF_INET,
      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
      .sin_port = htons(atoi(getenv("INTEROP_CONTROL")))};
  char answer[5];
  int control = socket(AF_INET, SOCK_STREAM, 0);
  require(connect(control, (struct sockaddr *)&address, sizeof address) == 0);
  require(dprintf(control, "%s\n", word) > 0);
  require(recv(control, answer, sizeof answer, MSG_WAITALL) == sizeof answer);
  require(memcmp(answer, "done\n", sizeof answer) == 0);
  close(control);
}

#endif
