# frozen_string_literal: true

# Bunny: what its guides show.

require 'bunny'
require 'checks'
require 'digest'
require 'logger'

SILENT = Logger.new(File::NULL)

def with_channel
  connection = Bunny.new(URL, logger: SILENT).start
  yield connection.create_channel, connection
ensure
  connection&.close if connection&.open?
end

def pop_body(queue)
  queue.pop.last
end

check 'topology' do
  with_channel do |channel|
    inbox = channel.queue('', exclusive: true)
    direct = channel.direct(name_of('direct'), durable: true)
    topic = channel.topic(name_of('topic'), auto_delete: true)
    fanout = channel.fanout(name_of('fanout'), durable: true)
    headers = channel.headers(name_of('headers'), durable: true)
    inbox.bind(direct, routing_key: 'red')
    inbox.bind(topic, routing_key: '*.error.#')
    inbox.bind(headers, arguments: { 'x-match' => 'all', 'os' => 'linux', 'cores' => 8 })
    fanout.bind(direct, routing_key: 'all')
    inbox.bind(fanout)
    direct.publish('direct', routing_key: 'red')
    direct.publish('nobody wants it', routing_key: 'blue')
    direct.publish('by way of fanout', routing_key: 'all')
    topic.publish('topic', routing_key: 'disk.error.full')
    headers.publish('headers', headers: { 'os' => 'linux', 'cores' => 8 })
    headers.publish('not this one', headers: { 'os' => 'linux', 'cores' => 4 })
    equal(['direct', 'by way of fanout', 'topic', 'headers'], Array.new(4) { pop_body(inbox) })
    equal(0, inbox.message_count)
    inbox.unbind(direct, routing_key: 'red')
    direct.publish('unbound', routing_key: 'red')
    equal(nil, pop_body(inbox))
    raise 'the queue is not there' unless channel.connection.queue_exists?(inbox.name)

    channel.confirm_select
    kept = channel.queue(name_of('short'), durable: true, arguments: { 'x-max-length' => 2 })
    3.times { |number| kept.publish(number.to_s) }
    channel.wait_for_confirms
    equal(2, channel.queue_purge(kept.name).message_count)
    kept.publish('last')
    channel.wait_for_confirms
    equal(1, kept.delete.message_count)
    [direct, fanout, headers].each(&:delete)
  end
end

check 'properties' do
  with_channel do |channel|
    queue = channel.queue('', exclusive: true)
    headers = { 'text' => 'words', 'true' => true, 'int' => 2**40, 'negative' => -1, 'float' => 1.5, 'nil' => nil,
                'time' => Time.at(1_700_000_000), 'table' => { 'list' => [1, 'two', [3.0], { 'four' => false }] } }
    sent = { content_type: 'text/plain', content_encoding: 'utf-8', headers: headers, delivery_mode: 2, priority: 7,
             correlation_id: 'c1', reply_to: 'there', expiration: '60000', message_id: 'm1',
             timestamp: 1_700_000_001, type: 'greeting', user_id: 'guest', app_id: 'bunny' }
    channel.default_exchange.publish('hello', routing_key: queue.name, persistent: true, **sent)
    _, properties, body = queue.pop
    equal('hello', body)
    equal(sent.merge(timestamp: Time.at(1_700_000_001)), properties.to_hash)
  end
end

check 'confirms' do
  with_channel do |channel|
    channel.confirm_select
    queue = channel.queue('', exclusive: true)
    500.times { |number| queue.publish(number.to_s) }
    equal(true, channel.wait_for_confirms)
    equal(500, queue.message_count)
    full = channel.queue('', exclusive: true, arguments: { 'x-max-length' => 1, 'x-overflow' => 'reject-publish' })
    2.times { full.publish('one too many') }
    equal(false, channel.wait_for_confirms)
    equal(1, channel.nacked_set.size)
  end
end

check 'returns' do
  with_channel do |channel|
    returned = Queue.new
    exchange = channel.direct(name_of('returning'), auto_delete: true)
    exchange.on_return { |info, properties, body| returned << [info, properties, body] }
    channel.confirm_select
    exchange.publish('lost', routing_key: 'nowhere', mandatory: true, message_id: 'm1')
    equal(true, channel.wait_for_confirms)
    info, properties, body = returned.pop(true) # it must be there before the confirm
    equal([312, 'NO_ROUTE', 'm1', 'lost'], [info.reply_code, info.reply_text, properties.message_id, body])
    exchange.delete
  end
end

check 'prefetch' do
  with_channel do |channel|
    channel.prefetch(3)
    queue = channel.queue('', exclusive: true)
    10.times { |number| queue.publish(number.to_s) }
    deliveries = Queue.new
    queue.subscribe(manual_ack: true) { |info, _, body| deliveries << [info, body] }
    first = Array.new(3) { next_of(deliveries) }
    equal(%w[0 1 2], first.map(&:last))
    equal(7, queue.message_count)
    channel.ack(first[1][0].delivery_tag, true)
    channel.reject(first[2][0].delivery_tag, true)
    rest = Array.new(3) { next_of(deliveries) }
    equal(%w[2 3 4], rest.map(&:last).sort)
    equal(['2'], rest.select { |info, _| info.redelivered? }.map(&:last))
  end
end

check 'dead-letter' do
  with_channel do |channel|
    letters = channel.queue('', exclusive: true)
    dying = { 'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => letters.name }
    source = channel.queue(name_of('dying'), exclusive: true, arguments: dying)
    dead = Queue.new
    letters.subscribe { |_, properties, body| dead << [properties.headers, body] }
    source.publish('refused')
    info, = source.pop(manual_ack: true)
    channel.nack(info.delivery_tag)
    source.publish('too old', expiration: '0')
    deaths = Array.new(2) { next_of(dead) }
    equal(['refused', 'too old'], deaths.map(&:last))
    equal(%w[rejected expired], deaths.map { |headers, _| headers['x-death'][0]['reason'] })
    equal([source.name, source.name], deaths.map { |headers, _| headers['x-first-death-queue'] })
  end
end

check 'large body' do
  with_channel do |channel, connection|
    queue = channel.queue('', exclusive: true)
    frame = connection.frame_max - 8
    [0, 1, frame - 1, frame, frame + 1, 16 * 1024 * 1024].each do |size|
      body = Random.bytes(size)
      queue.publish(body)
      equal(Digest::SHA256.hexdigest(body), Digest::SHA256.hexdigest(pop_body(queue)))
    end
  end
end

check 'errors' do
  with_channel do |_, connection|
    raises(Bunny::NotFound) { connection.create_channel.queue(name_of('missing'), passive: true) }
    raises(Bunny::AccessRefused) { connection.create_channel.direct('amq.own') }
    connection.create_channel.queue(name_of('once'), exclusive: true)
    raises(Bunny::PreconditionFailed) do
      connection.create_channel.queue(name_of('once'), exclusive: true, arguments: { 'x-expires' => 1000 })
    end
    Bunny.new(URL, logger: SILENT).start.tap do |other|
      connection.create_channel.queue(name_of('mine'), exclusive: true)
      raises(Bunny::ResourceLocked) { other.create_channel.queue(name_of('mine'), passive: true) }
      other.close
    end
    equal(true, connection.open?)
  end
  wrong = { logger: SILENT, recover_from_connection_close: false }
  raises(Bunny::AuthenticationFailureError) { Bunny.new(URL.sub('guest:guest', 'guest:wrong'), **wrong).start }
  raises(Bunny::NotAllowedError) { Bunny.new(URL.sub('%2F', 'nowhere'), **wrong).start }
end

check 'consumer cancelled by the broker' do
  with_channel do |channel|
    queue = channel.queue(name_of('cancelled'), auto_delete: true)
    cancelled = Queue.new
    consumer = Bunny::Consumer.new(channel, queue, channel.generate_consumer_tag)
    consumer.on_cancellation { |cancel| cancelled << cancel.consumer_tag }
    queue.subscribe_with(consumer)
    queue.delete
    equal(consumer.consumer_tag, next_of(cancelled))
  end
end

check 'transactions' do
  with_channel do |channel|
    channel.tx_select
    queue = channel.queue('', exclusive: true)
    queue.publish('rolled back')
    channel.tx_rollback
    queue.publish('committed')
    equal(0, queue.message_count)
    channel.tx_commit
    equal('committed', pop_body(queue))
  end
end

# Bunny's own recovery restores channels, queues, bindings and consumers.
def recovers_from(loss)
  connection = Bunny.new(URL, logger: SILENT, network_recovery_interval: 0.1).start
  recovered = Queue.new
  connection.after_recovery_completed { recovered << true }
  channel = connection.create_channel
  channel.prefetch(1)
  exchange = channel.fanout(name_of('restored'), auto_delete: true)
  queue = channel.queue(name_of('kept'), durable: true)
  queue.bind(exchange)
  deliveries = Queue.new
  queue.subscribe(manual_ack: true) { |info, _, body| deliveries << [info, body] }
  exchange.publish('before', persistent: true)
  info, = next_of(deliveries)
  equal(false, info.redelivered?)
  loss.call
  next_of(recovered)
  info, body = next_of(deliveries)
  equal(['before', true], [body, info.redelivered?])
  channel.ack(info.delivery_tag)
  exchange.publish('after')
  equal('after', next_of(deliveries).last)
ensure
  queue&.delete
  connection&.close
end

check('reconnect after a forced close') { recovers_from(method(:force_close)) }
check('reconnect after a cut') { recovers_from(method(:cut)) }

perform_checks
