// For programs in Go: checks that are told as TAP, and the commands of the proxy.
//
//	func main() {
//		perform(check{"confirms", confirms})
//	}
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// deadline is how long a check waits for something that should come at once.
const deadline = 60 * time.Second

var url = os.Getenv("AMQP_URL")

// tlsSizes are those of the bodies that programs send in TLS: a record has 16,384 octets at most.
var tlsSizes = []int{0, 1, 16_384, 100_000, 1_000_000}

type check struct {
	name string
	run  func()
}

// perform runs the checks in order and ends the program.
func perform(checks ...check) {
	failures := 0
	for _, each := range checks {
		if fault := faultOf(each.run); fault != nil {
			fmt.Printf("not ok - %s\n# %v\n", each.name, fault)
			failures++
		} else {
			fmt.Printf("ok - %s\n", each.name)
		}
	}
	fmt.Printf("1..%d\n", len(checks))
	if failures > 0 {
		os.Exit(1)
	}
}

// faultOf is what a check panicked with, nil if it did not.
func faultOf(run func()) (fault any) {
	defer func() { fault = recover() }()
	run()
	return nil
}

// must fails the check if there is an error.
func must(err error) {
	if err != nil {
		fail(err)
	}
}

// require fails the check if the condition is not met, and tells the values.
func require(condition bool, values ...any) {
	if !condition {
		fail(values...)
	}
}

// fail names the line of the check that called must or require.
func fail(values ...any) {
	_, file, line, _ := runtime.Caller(2)
	panic(fmt.Sprintf("%s:%d: %s", filepath.Base(file), line, fmt.Sprintln(values...)))
}

// next takes a value from a channel that is not closed.
func next[T any](channel <-chan T) T {
	select {
	case value, open := <-channel:
		if !open {
			fail("the channel is closed")
		}
		return value
	case <-time.After(deadline):
		fail("waited in vain")
	}
	panic("not reached")
}

// nameOf makes a name for a queue or an exchange that no other program uses.
func nameOf(what string) string {
	return os.Getenv("INTEROP_PREFIX") + "." + what
}

// cut resets all connections of this program to the broker.
func cut() {
	command("cut")
}

// forceClose has all connections of this program closed with 320 CONNECTION_FORCED, as by an operator.
func forceClose() {
	command("close")
}

func command(word string) {
	control, err := net.Dial("tcp", "127.0.0.1:"+os.Getenv("INTEROP_CONTROL"))
	must(err)
	defer control.Close()
	fmt.Fprintln(control, word)
	answer, err := bufio.NewReader(control).ReadString('\n')
	must(err)
	require(answer == "done\n", answer)
}
