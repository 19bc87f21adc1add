package main

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"
)

func publish(channel *amqp.Channel, exchange, key string, message amqp.Publishing) error {
	return channel.PublishWithContext(context.Background(), exchange, key, false, false, message)
}

func publishMandatory(channel *amqp.Channel, exchange, key string, message amqp.Publishing) error {
	return channel.PublishWithContext(context.Background(), exchange, key, true, false, message)
}
