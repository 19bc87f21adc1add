package main

import (
	"reflect"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func topology() {
	connection, channel := open()
	defer connection.Close()
	headers := amqp.Table{"x-match": "all", "colour": "red", "size": int32(3)}
	matching := amqp.Table{"colour": "red", "size": int32(3), "more": true}
	cases := []struct {
		kind, bindingKey string
		arguments        amqp.Table
		key              string
		headers          amqp.Table
		arrives          bool
	}{
		{"direct", "a.b", nil, "a.b", nil, true},
		{"direct", "a.b", nil, "a.c", nil, false},
		{"fanout", "", nil, "whatever", nil, true},
		{"topic", "a.*.#", nil, "a.b.c.d", nil, true},
		{"topic", "a.*.#", nil, "a", nil, false},
		{"headers", "", headers, "", matching, true},
		{"headers", "", headers, "", amqp.Table{"colour": "red"}, false},
	}
	queue := exclusiveQueue(channel, "topology", amqp.Table{"x-max-length": int32(10)})
	for _, each := range cases {
		exchange := nameOf(each.kind)
		must(channel.ExchangeDeclare(exchange, each.kind, false, true, false, false, nil))
		must(channel.QueueBind(queue, each.bindingKey, exchange, false, each.arguments))
		must(publish(channel, exchange, each.key, amqp.Publishing{Headers: each.headers, Body: []byte(each.kind)}))
		_, arrived, err := channel.Get(queue, true)
		must(err)
		require(arrived == each.arrives, each)
		// The last binding of an auto-delete exchange takes it along.
		must(channel.QueueUnbind(queue, each.bindingKey, exchange, each.arguments))
		requireCode(channelOf(connection).ExchangeDeclarePassive(exchange, each.kind, false, true, false, false, nil), 404)
	}
	exchangeToExchange(channel, queue)
	purgeAndDelete(channel)
}

func exchangeToExchange(channel *amqp.Channel, queue string) {
	source, destination := nameOf("source"), nameOf("destination")
	must(channel.ExchangeDeclare(source, "topic", true, false, false, false, nil))
	must(channel.ExchangeDeclare(destination, "fanout", true, false, true, false, nil))
	must(channel.ExchangeBind(destination, "#", source, false, nil))
	must(channel.QueueBind(queue, "", destination, false, nil))
	must(publish(channel, source, "any", amqp.Publishing{Body: []byte("through both")}))
	delivery, arrived, err := channel.Get(queue, true)
	must(err)
	require(arrived && delivery.Exchange == source && delivery.RoutingKey == "any", delivery)
	must(channel.ExchangeUnbind(destination, "#", source, false, nil))
	must(publish(channel, source, "any", amqp.Publishing{}))
	count, err := channel.QueuePurge(queue, false)
	must(err)
	require(count == 0, count)
	must(channel.ExchangeDelete(source, true, false))
	must(channel.ExchangeDelete(destination, false, false))
}

func purgeAndDelete(channel *amqp.Channel) {
	queue, err := channel.QueueDeclare(nameOf("durable"), true, false, false, false, nil)
	must(err)
	for _, empty := range []func() (int, error){
		func() (int, error) { return channel.QueuePurge(queue.Name, false) },
		func() (int, error) { return channel.QueueDelete(queue.Name, false, false, false) },
	} {
		for number := 0; number < 3; number++ {
			must(publish(channel, "", queue.Name, amqp.Publishing{}))
		}
		count, err := empty()
		must(err)
		require(count == 3, count)
	}
}

func properties() {
	connection, channel := open()
	defer connection.Close()
	queue := exclusiveQueue(channel, "properties", nil)
	sent := amqp.Publishing{
		Headers: amqp.Table{
			"bool": true, "byte": byte(200), "int16": int16(-16), "int32": int32(-32), "int64": int64(-64),
			"float32": float32(1.5), "float64": 2.5, "decimal": amqp.Decimal{Scale: 2, Value: 314},
			"string": "żółć", "bytes": []byte{0, 255}, "time": time.Unix(1_700_000_000, 0), "nil": nil,
			"list": []interface{}{int32(1), "two", []interface{}{nil}}, "table": amqp.Table{"deep": amqp.Table{"er": int64(1)}},
		},
		ContentType: "text/plain", ContentEncoding: "identity", DeliveryMode: amqp.Persistent, Priority: 7,
		CorrelationId: "correlation", ReplyTo: "reply", Expiration: "60000", MessageId: "message",
		Timestamp: time.Unix(1_600_000_000, 0), Type: "type", UserId: "guest", AppId: "app", Body: []byte("body"),
	}
	must(publish(channel, "", queue, sent))
	got, arrived, err := channel.Get(queue, true)
	must(err)
	require(arrived)
	received := amqp.Publishing{
		Headers: got.Headers, ContentType: got.ContentType, ContentEncoding: got.ContentEncoding,
		DeliveryMode: got.DeliveryMode, Priority: got.Priority, CorrelationId: got.CorrelationId, ReplyTo: got.ReplyTo,
		Expiration: got.Expiration, MessageId: got.MessageId, Timestamp: got.Timestamp, Type: got.Type,
		UserId: got.UserId, AppId: got.AppId, Body: got.Body,
	}
	require(reflect.DeepEqual(received, sent), received, "instead of", sent)
}

func channelErrors() {
	connection, _ := open()
	defer connection.Close()
	exclusive := exclusiveQueue(channelOf(connection), "errors", nil)
	other, _ := open()
	defer other.Close()
	refusals := map[int]func(*amqp.Channel) error{
		403: func(channel *amqp.Channel) error {
			return channel.ExchangeDelete("amq.direct", false, false)
		},
		404: func(channel *amqp.Channel) error {
			_, err := channel.QueueDeclarePassive(nameOf("missing"), false, false, false, false, nil)
			return err
		},
		405: func(channel *amqp.Channel) error {
			_, err := channel.Consume(exclusive, "", false, false, false, false, nil)
			return err
		},
		406: func(channel *amqp.Channel) error {
			return channel.ExchangeDeclare("amq.direct", "fanout", true, false, false, false, nil)
		},
	}
	for code, provoke := range refusals {
		channel := channelOf(other)
		closed := channel.NotifyClose(make(chan *amqp.Error, 1))
		requireCode(provoke(channel), code)
		notice := next(closed)
		require(notice.Code == code && notice.Server && notice.Recover, notice)
		again := channel.Close()
		require(again == amqp.ErrClosed || again == nil, again) // nil from 1.10 on, and maybe before
	}
	require(!other.IsClosed())
	must(channelOf(other).Qos(1, 0, false))
}

func connectionErrors() {
	refusals := map[int]func(*amqp.Channel) error{
		530: func(channel *amqp.Channel) error {
			queue := exclusiveQueue(channel, "reused", nil)
			_, err := channel.Consume(queue, "tag", false, false, false, false, nil)
			must(err)
			_, err = channel.Consume(queue, "tag", false, false, false, false, nil)
			return err
		},
		540: func(channel *amqp.Channel) error {
			return channel.Qos(0, 1, false)
		},
	}
	for code, provoke := range refusals {
		connection, channel := open()
		closed := connection.NotifyClose(make(chan *amqp.Error, 1))
		requireCode(provoke(channel), code)
		require(next(closed).Code == code)
		require(connection.IsClosed())
	}
	uri, err := amqp.ParseURI(url)
	must(err)
	uri.Vhost = nameOf("vhost")
	_, err = amqp.Dial(uri.String())
	require(err != nil)
	uri, err = amqp.ParseURI(url)
	must(err)
	uri.Password = "wrong"
	_, err = amqp.Dial(uri.String())
	require(err == amqp.ErrCredentials, err)
}
