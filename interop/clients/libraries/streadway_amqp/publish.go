package main

import "github.com/streadway/amqp"

func publish(channel *amqp.Channel, exchange, key string, message amqp.Publishing) error {
	return channel.Publish(exchange, key, false, false, message)
}

func publishMandatory(channel *amqp.Channel, exchange, key string, message amqp.Publishing) error {
	return channel.Publish(exchange, key, true, false, message)
}
