package main

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// confirming has the channel's publishes confirmed, with room for as many confirms as a check does not read at once.
func confirming(channel *amqp.Channel, room int) <-chan amqp.Confirmation {
	must(channel.Confirm(false))
	return channel.NotifyPublish(make(chan amqp.Confirmation, room))
}

func confirms() {
	connection, channel := open()
	defer connection.Close()
	const count = 600
	confirmations := confirming(channel, count)
	queue := exclusiveQueue(channel, "confirms", nil)
	for number := 0; number < count; number++ {
		must(publish(channel, "", queue, amqp.Publishing{DeliveryMode: amqp.Persistent}))
	}
	for number := uint64(1); number <= count; number++ {
		confirmation := next(confirmations)
		require(confirmation.Ack && confirmation.DeliveryTag == number, confirmation)
	}
	require(messagesIn(channel, queue) == count)
	full := amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"}
	queue = exclusiveQueue(channel, "full", full)
	for _, fits := range []bool{true, false} {
		must(publish(channel, "", queue, amqp.Publishing{}))
		require(next(confirmations).Ack == fits)
	}
}

func returns() {
	connection, channel := open()
	defer connection.Close()
	// Neither has room: what is told first must be taken first.
	confirmations := confirming(channel, 0)
	returned := channel.NotifyReturn(make(chan amqp.Return))
	must(publishMandatory(channel, "", nameOf("nowhere"), amqp.Publishing{Body: []byte("lost")}))
	each := next(returned)
	require(each.ReplyCode == amqp.NoRoute && each.ReplyText == "NO_ROUTE" && string(each.Body) == "lost", each)
	require(next(confirmations).Ack)
}

func largeBody() {
	connection, channel := open()
	defer connection.Close()
	confirmations := confirming(channel, 1)
	queue := exclusiveQueue(channel, "large", nil)
	deliveries := consume(channel, queue)
	frame := connection.Config.FrameSize - 8
	for _, size := range []int{0, 1, frame - 1, frame, frame + 1, 16 << 20} {
		body := make([]byte, size)
		_, err := rand.Read(body)
		must(err)
		must(publish(channel, "", queue, amqp.Publishing{Body: body}))
		delivery := next(deliveries)
		require(sha256.Sum256(delivery.Body) == sha256.Sum256(body), size)
		must(delivery.Ack(false))
		require(next(confirmations).Ack, size)
	}
}

// concurrency is many goroutines on one connection, each with a channel of its own.
func concurrency() {
	connection, channel := open()
	defer connection.Close()
	const workers, each = 8, 100
	queue := exclusiveQueue(channel, "concurrency", nil)
	faults := make(chan any, workers)
	for worker := 0; worker < workers; worker++ {
		go func() {
			faults <- faultOf(func() { confirmSome(channelOf(connection), queue, each) })
		}()
	}
	for worker := 0; worker < workers; worker++ {
		fault := next(faults)
		require(fault == nil, fault)
	}
	require(messagesIn(channel, queue) == workers*each)
}

func confirmSome(channel *amqp.Channel, queue string, count int) {
	confirmations := confirming(channel, 1)
	for number := 0; number < count; number++ {
		must(publish(channel, "", queue, amqp.Publishing{Body: []byte(fmt.Sprint(number))}))
		require(next(confirmations).Ack)
	}
	must(channel.Close())
}
