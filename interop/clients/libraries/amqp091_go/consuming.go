package main

import amqp "github.com/rabbitmq/amqp091-go"

func prefetch() {
	connection, channel := open()
	defer connection.Close()
	queue := exclusiveQueue(channel, "prefetch", nil)
	confirmSome(channelOf(connection), queue, 10)
	must(channel.Qos(3, 0, false))
	deliveries := consume(channel, queue)
	next(deliveries)
	next(deliveries)
	third := next(deliveries)
	require(messagesIn(channel, queue) == 7 && len(deliveries) == 0)
	must(third.Ack(true))
	fourth, fifth := next(deliveries), next(deliveries)
	require(string(fourth.Body) == "3" && string(fifth.Body) == "4", fourth, fifth)
	must(fifth.Nack(true, true))
	require(connection.Close() == nil)

	connection, channel = open()
	defer connection.Close()
	queue = exclusiveQueue(channel, "requeue", nil)
	must(publish(channel, "", queue, amqp.Publishing{Body: []byte("again")}))
	deliveries = consume(channel, queue)
	first := next(deliveries)
	require(!first.Redelivered)
	must(first.Reject(true))
	second := next(deliveries)
	require(second.Redelivered && string(second.Body) == "again", second)
	must(channel.Recover(true))
	third = next(deliveries)
	require(third.Redelivered && third.DeliveryTag == second.DeliveryTag+1, third)
	must(third.Ack(false))
}

func deadLetter() {
	connection, channel := open()
	defer connection.Close()
	grave := exclusiveQueue(channel, "grave", nil)
	dies := amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": grave}
	queue := exclusiveQueue(channel, "work", dies)
	must(publish(channel, "", queue, amqp.Publishing{Body: []byte("rejected")}))
	must(next(consume(channel, queue)).Nack(false, false))
	dies["x-message-ttl"] = int32(1)
	short := exclusiveQueue(channel, "short", dies)
	graves := consume(channel, grave)
	rejected := next(graves)
	must(publish(channel, "", short, amqp.Publishing{Body: []byte("expired")}))
	expired := next(graves)
	for _, each := range []struct {
		letter amqp.Delivery
		queue  string
	}{{rejected, queue}, {expired, short}} {
		reason := string(each.letter.Body)
		death := each.letter.Headers["x-death"].([]interface{})[0].(amqp.Table)
		require(death["reason"] == reason && death["queue"] == each.queue && death["exchange"] == "", death)
		require(death["count"] == int64(1), death)
		require(each.letter.Headers["x-first-death-reason"] == reason, each.letter.Headers)
		must(each.letter.Ack(false))
	}
}

func cancellation() {
	connection, channel := open()
	defer connection.Close()
	queue := exclusiveQueue(channel, "cancelled", nil)
	cancelled := channel.NotifyCancel(make(chan string, 1))
	deliveries, err := channel.Consume(queue, "mine", false, false, false, false, nil)
	must(err)
	_, err = channel.QueueDelete(queue, false, false, false)
	must(err)
	require(next(cancelled) == "mine")
	_, open := <-deliveries
	require(!open)
}

func transactions() {
	connection, channel := open()
	defer connection.Close()
	queue := exclusiveQueue(channel, "transactions", nil)
	must(channel.Tx())
	must(publish(channel, "", queue, amqp.Publishing{Body: []byte("rolled back")}))
	must(channel.TxRollback())
	must(publish(channel, "", queue, amqp.Publishing{Body: []byte("committed")}))
	_, arrived, err := channelOf(connection).Get(queue, true)
	must(err)
	require(!arrived)
	must(channel.TxCommit())
	delivery, arrived, err := channelOf(connection).Get(queue, true)
	must(err)
	require(arrived && string(delivery.Body) == "committed", delivery)
}

// afterCut is what the library's own example does: it has no recovery, but a notice of the end, after which a new
// connection takes over.
func afterCut() {
	resume(cut, amqp.FrameError)
}

func afterForcedClose() {
	resume(forceClose, amqp.ConnectionForced)
}

func resume(end func(), code int) {
	connection, channel := open()
	queue, err := channel.QueueDeclare(nameOf("resumed"), true, false, false, false, nil)
	must(err)
	closed := connection.NotifyClose(make(chan *amqp.Error, 1))
	deliveries := consume(channel, queue.Name)
	must(publish(channel, "", queue.Name, amqp.Publishing{Body: []byte("unanswered")}))
	next(deliveries)
	end()
	require(next(closed).Code == code)
	_, isOpen := <-deliveries
	require(!isOpen)

	connection, channel = open()
	defer connection.Close()
	again := next(consume(channel, queue.Name))
	require(again.Redelivered && string(again.Body) == "unanswered", again)
	must(again.Ack(false))
	_, err = channel.QueueDelete(queue.Name, false, true, false)
	must(err)
}
