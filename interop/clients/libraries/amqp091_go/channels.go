package main

import (
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"
)

// open connects, and opens a channel.
func open() (*amqp.Connection, *amqp.Channel) {
	connection, err := amqp.Dial(url)
	must(err)
	return connection, channelOf(connection)
}

func channelOf(connection *amqp.Connection) *amqp.Channel {
	channel, err := connection.Channel()
	must(err)
	return channel
}

// exclusiveQueue declares a queue that goes with its connection.
func exclusiveQueue(channel *amqp.Channel, what string, arguments amqp.Table) string {
	queue, err := channel.QueueDeclare(nameOf(what), false, false, true, false, arguments)
	must(err)
	return queue.Name
}

func consume(channel *amqp.Channel, queue string) <-chan amqp.Delivery {
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	must(err)
	return deliveries
}

func messagesIn(channel *amqp.Channel, queue string) int {
	state, err := channel.QueueDeclarePassive(queue, false, false, false, false, nil)
	must(err)
	return state.Messages
}

// requireCode fails the check unless the error is the broker's, with this reply code.
func requireCode(err error, code int) {
	var reply *amqp.Error
	require(errors.As(err, &reply) && reply.Code == code, err, "instead of", code)
}
