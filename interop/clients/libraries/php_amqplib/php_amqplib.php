<?php

declare(strict_types=1);

// php-amqplib: what its demos show.

require 'PhpAmqpLib/autoload.php';
require __DIR__ . '/checks.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPExceptionInterface;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

function connect(?string $password = null, ?string $vhost = null): AMQPStreamConnection
{
    return new AMQPStreamConnection(
        BROKER['host'],
        BROKER['port'],
        BROKER['user'],
        $password ?? BROKER['pass'],
        $vhost ?? vhost()
    );
}

/** Do something with a channel of a connection that is closed afterwards. */
function withChannel(callable $body): void
{
    $connection = connect();
    try {
        $body($connection->channel(), $connection);
    } finally {
        $connection->close();
    }
}

function ownQueue(AMQPChannel $channel, array $arguments = []): string
{
    return $channel->queue_declare('', false, false, true, true, false, new AMQPTable($arguments))[0];
}

function bodyFrom(AMQPChannel $channel, string $queue): ?string
{
    return $channel->basic_get($queue, true)?->getBody();
}

function depth(AMQPChannel $channel, string $queue): int
{
    return $channel->queue_declare($queue, true)[1];
}

check('topology', fn () => withChannel(function (AMQPChannel $channel) {
    $inbox = ownQueue($channel);
    [$direct, $topic, $fanout, $headers] = array_map('nameOf', ['direct', 'topic', 'fanout', 'headers']);
    $channel->exchange_declare($direct, 'direct', false, true, false);
    $channel->exchange_declare($topic, 'topic', false, false, true);
    $channel->exchange_declare($fanout, 'fanout', false, true, false);
    $channel->exchange_declare($headers, 'headers', false, true, false);
    $channel->queue_bind($inbox, $direct, 'red');
    $channel->queue_bind($inbox, $topic, '*.error.#');
    $channel->queue_bind($inbox, $headers, '', false, new AMQPTable(['x-match' => 'any', 'os' => 'linux', 'n' => 8]));
    $channel->exchange_bind($fanout, $direct, 'all');
    $channel->queue_bind($inbox, $fanout);
    foreach ([['red', 'direct'], ['blue', 'nobody wants it'], ['all', 'by way of fanout']] as [$key, $body]) {
        $channel->basic_publish(new AMQPMessage($body), $direct, $key);
    }
    $channel->basic_publish(new AMQPMessage('topic'), $topic, 'disk.error.full');
    $sorted = ['application_headers' => new AMQPTable(['n' => 8])];
    $channel->basic_publish(new AMQPMessage('headers', $sorted), $headers);
    $bodies = array_map(fn () => bodyFrom($channel, $inbox), range(1, 5));
    equal(['direct', 'by way of fanout', 'topic', 'headers', null], $bodies);
    $channel->queue_unbind($inbox, $direct, 'red');
    $channel->basic_publish(new AMQPMessage('unbound'), $direct, 'red');
    equal(null, bodyFrom($channel, $inbox));

    $channel->confirm_select();
    $kept = nameOf('short');
    $channel->queue_declare($kept, false, true, false, false, false, new AMQPTable(['x-max-length' => 2]));
    foreach (['1', '2', '3'] as $body) {
        $channel->basic_publish(new AMQPMessage($body), '', $kept);
    }
    $channel->wait_for_pending_acks(DEADLINE_S);
    equal(2, depth($channel, $kept));
    equal(2, $channel->queue_purge($kept));
    $channel->basic_publish(new AMQPMessage('last'), '', $kept);
    $channel->wait_for_pending_acks(DEADLINE_S);
    equal(1, $channel->queue_delete($kept));
    array_map([$channel, 'exchange_delete'], [$direct, $fanout, $headers]);
}));

check('properties', fn () => withChannel(function (AMQPChannel $channel) {
    $queue = ownQueue($channel);
    $headers = ['text' => 'words', 'true' => true, 'int' => 2 ** 40, 'negative' => -1, 'null' => null,
        'list' => [1, 'two', ['three' => false]]];
    $sent = ['content_type' => 'text/plain', 'content_encoding' => 'utf-8', 'delivery_mode' => 2, 'priority' => 7,
        'correlation_id' => 'c1', 'reply_to' => 'there', 'expiration' => '60000', 'message_id' => 'm1',
        'timestamp' => 1700000001, 'type' => 'greeting', 'user_id' => BROKER['user'], 'app_id' => 'php'];
    $message = new AMQPMessage('hello', $sent + ['application_headers' => new AMQPTable($headers)]);
    $channel->basic_publish($message, '', $queue);
    $received = $channel->basic_get($queue, true);
    $properties = $received->get_properties();
    equal($headers, $properties['application_headers']->getNativeData());
    foreach ($sent as $name => $value) {
        equal($value, $properties[$name]);
    }
}));

check('confirms', fn () => withChannel(function (AMQPChannel $channel) {
    $confirmed = ['ack' => 0, 'nack' => 0];
    $channel->set_ack_handler(function () use (&$confirmed) {
        $confirmed['ack']++;
    });
    $channel->set_nack_handler(function () use (&$confirmed) {
        $confirmed['nack']++;
    });
    $channel->confirm_select();
    $queue = ownQueue($channel);
    for ($number = 0; $number < 500; $number++) {
        $channel->basic_publish(new AMQPMessage((string) $number), '', $queue);
    }
    $channel->wait_for_pending_acks(DEADLINE_S);
    equal(['ack' => 500, 'nack' => 0], $confirmed);
    equal(500, depth($channel, $queue));
    $full = ownQueue($channel, ['x-max-length' => 1, 'x-overflow' => 'reject-publish']);
    $channel->batch_basic_publish(new AMQPMessage('fits'), '', $full);
    $channel->batch_basic_publish(new AMQPMessage('one too many'), '', $full);
    $channel->publish_batch();
    $channel->wait_for_pending_acks(DEADLINE_S);
    equal(['ack' => 501, 'nack' => 1], $confirmed);
}));

check('returns', fn () => withChannel(function (AMQPChannel $channel) {
    $seen = [];
    $channel->set_return_listener(function ($code, $text, $exchange, $key, AMQPMessage $message) use (&$seen) {
        $seen[] = [$code, $text, $exchange, $key, $message->getBody()];
    });
    $channel->set_ack_handler(function () use (&$seen) {
        $seen[] = 'confirmed';
    });
    $channel->confirm_select();
    $channel->basic_publish(new AMQPMessage('lost'), '', nameOf('nowhere'), true);
    $channel->wait_for_pending_acks_returns(DEADLINE_S);
    equal([[312, 'NO_ROUTE', '', nameOf('nowhere'), 'lost'], 'confirmed'], $seen);
}));

check('prefetch', fn () => withChannel(function (AMQPChannel $channel) {
    $queue = ownQueue($channel);
    $channel->confirm_select();
    foreach (range(0, 9) as $number) {
        $channel->basic_publish(new AMQPMessage((string) $number), '', $queue);
    }
    $channel->wait_for_pending_acks(DEADLINE_S);
    $received = [];
    $channel->basic_qos(0, 3, false);
    $channel->basic_consume($queue, '', false, false, false, false, function (AMQPMessage $message) use (&$received) {
        $received[] = $message;
    });
    $take = function (int $count) use ($channel, &$received): array {
        while (count($received) < $count) {
            $channel->wait(null, false, DEADLINE_S);
        }
        [$taken, $received] = [$received, []];
        return $taken;
    };
    $first = $take(3);
    equal(['0', '1', '2'], array_map(fn ($message) => $message->getBody(), $first));
    equal(7, depth($channel, $queue));
    $first[1]->ack(true);
    $first[2]->nack(true);
    $rest = $take(3);
    $again = array_values(array_filter($rest, fn ($message) => $message->isRedelivered()));
    equal(['2'], array_map(fn ($message) => $message->getBody(), $again));
}));

check('dead-letter', fn () => withChannel(function (AMQPChannel $channel) {
    $letters = ownQueue($channel);
    $source = ownQueue($channel, ['x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => $letters]);
    $dead = [];
    $channel->basic_consume($letters, '', false, true, false, false, function (AMQPMessage $message) use (&$dead) {
        $dead[] = $message;
    });
    $channel->confirm_select();
    $channel->basic_publish(new AMQPMessage('refused'), '', $source);
    $channel->wait_for_pending_acks(DEADLINE_S);
    $channel->basic_get($source)->reject(false);
    $channel->basic_publish(new AMQPMessage('too old', ['expiration' => '0']), '', $source);
    while (count($dead) < 2) {
        $channel->wait(null, false, DEADLINE_S);
    }
    equal(['refused', 'too old'], array_map(fn ($message) => $message->getBody(), $dead));
    foreach (['rejected', 'expired'] as $index => $reason) {
        $death = $dead[$index]->get('application_headers')->getNativeData()['x-death'][0];
        equal([$reason, $source, 1], [$death['reason'], $death['queue'], $death['count']]);
    }
}));

check('large body', fn () => withChannel(function (AMQPChannel $channel, AMQPStreamConnection $connection) {
    $queue = ownQueue($channel);
    $frame = 131072 - 8;
    foreach ([0, 1, $frame - 1, $frame, $frame + 1, 16 * 1024 * 1024] as $size) {
        $body = $size ? random_bytes($size) : '';
        $channel->basic_publish(new AMQPMessage($body), '', $queue);
        equal(hash('sha256', $body), hash('sha256', bodyFrom($channel, $queue)));
    }
}));

check('errors', fn () => withChannel(function (AMQPChannel $channel, AMQPStreamConnection $connection) {
    $taken = nameOf('taken');
    $channel->queue_declare($taken, false, false, true);
    foreach (
        [
            404 => fn ($channel) => $channel->queue_declare(nameOf('missing'), true),
            403 => fn ($channel) => $channel->exchange_declare('amq.own', 'direct', false, false),
            406 => fn ($channel) => $channel->queue_declare($taken, false, false, true, false),
        ] as $code => $mistake
    ) {
        $error = thrown(AMQPProtocolChannelException::class, fn () => $mistake($connection->channel()));
        equal($code, $error->getCode());
    }
    $other = connect();
    $error = thrown(AMQPProtocolChannelException::class, fn () => $other->channel()->queue_declare($taken, true));
    equal(405, $error->getCode());
    $error = thrown(AMQPConnectionClosedException::class, fn () => $other->channel()->basic_qos(1, 0, false));
    equal(540, $error->getCode());
    equal(0, depth($channel, $taken));
    thrown(AMQPExceptionInterface::class, fn () => connect('wrong'));
    thrown(AMQPExceptionInterface::class, fn () => connect(null, 'nowhere'));
}));

check('consumer cancelled by the broker', fn () => withChannel(function (AMQPChannel $channel) {
    $queue = ownQueue($channel);
    $tag = $channel->basic_consume($queue);
    $channel->queue_delete($queue);
    $error = thrown(
        PhpAmqpLib\Exception\AMQPBasicCancelException::class,
        fn () => $channel->wait(null, false, DEADLINE_S)
    );
    equal($tag, $error->consumerTag);
}));

check('transactions', fn () => withChannel(function (AMQPChannel $channel) {
    $queue = ownQueue($channel);
    $channel->tx_select();
    $channel->basic_publish(new AMQPMessage('rolled back'), '', $queue);
    $channel->tx_rollback();
    $channel->basic_publish(new AMQPMessage('committed'), '', $queue);
    equal(0, depth($channel, $queue));
    $channel->tx_commit();
    equal('committed', bodyFrom($channel, $queue));
}));

/** The library reconnects when it is told to, as its demo does; channels, queues and consumers are made anew. */
function reconnects(callable $loss): void
{
    $connection = connect();
    $queue = nameOf('kept');
    $received = [];
    $consume = function () use ($connection, $queue, &$received): AMQPChannel {
        $channel = $connection->channel();
        $channel->queue_declare($queue, false, true, false, false);
        $note = function (AMQPMessage $message) use (&$received) {
            $received[] = [$message->getBody(), $message->isRedelivered()];
        };
        $channel->basic_consume($queue, '', false, false, false, false, $note);
        return $channel;
    };
    $channel = $consume();
    $channel->basic_publish(new AMQPMessage('before', ['delivery_mode' => 2]), '', $queue);
    $channel->wait(null, false, DEADLINE_S);
    $loss();
    thrown(AMQPConnectionClosedException::class, fn () => $channel->wait(null, false, DEADLINE_S));
    $connection->reconnect();
    $channel = $consume();
    $channel->wait(null, false, DEADLINE_S);
    equal([['before', false], ['before', true]], $received);
    $channel->queue_delete($queue);
    $connection->close();
}

check('reconnect after a forced close', fn () => reconnects('forceClose'));
check('reconnect after a cut', fn () => reconnects('cut'));

performChecks();
