//go:build !tls

// github.com/rabbitmq/amqp091-go.
package main

func main() {
	perform(
		check{"topology", topology},
		check{"properties", properties},
		check{"confirms", confirms},
		check{"returns", returns},
		check{"prefetch", prefetch},
		check{"dead-letter", deadLetter},
		check{"large body", largeBody},
		check{"errors", channelErrors},
		check{"errors of the connection", connectionErrors},
		check{"consumer cancel", cancellation},
		check{"transactions", transactions},
		check{"goroutines", concurrency},
		check{"reconnect after a forced close", afterForcedClose},
		check{"reconnect after a cut", afterCut},
	)
}
