#!/usr/bin/env perl

# AnyEvent::RabbitMQ: what its documentation shows. Each step is waited for with a condition variable.

use v5.36;
use AnyEvent::RabbitMQ;
use Digest::SHA 'sha256_hex';
use Checks;

use constant DEADLINE_S => 30;

AnyEvent::RabbitMQ->load_xml_spec;

# What comes to the first callback; dies with what comes to the second, or when nothing comes.
sub wait_for ($start) {
    my $done  = AnyEvent->condvar;
    my $timer = AnyEvent->timer( after => DEADLINE_S, cb => sub { $done->croak('nothing came') } );
    $start->( sub { $done->send(@_) }, sub (@why) { $done->croak( text_of( $why[-1] ) ) } );
    return $done->recv;
}

sub text_of ($why) {
    return $why if !ref $why;
    my $method = $why->isa('Net::AMQP::Frame::Method') ? $why->method_frame : $why;
    return $method->reply_code . ' ' . $method->reply_text;
}

# Call a method of a connection or channel and wait for its answer.
sub call ( $object, $method, %arguments ) {
    my ($answer) = wait_for(
        sub ( $success, $failure ) {
            $object->$method( %arguments, on_success => $success, on_failure => $failure );
        }
    );
    return $answer;
}

sub failure_of ($body) {
    return $@ if !eval { $body->(); 1 };
    die "it did not fail\n";
}

sub connect_to_broker (%other) {
    return call( AnyEvent::RabbitMQ->new, 'connect', broker(), timeout => DEADLINE_S, on_read_failure => sub { }, %other );
}

sub with_channel ($body) {
    my $connection = connect_to_broker();
    $body->( call( $connection, 'open_channel' ), $connection );
    call( $connection, 'close' );
}

sub own_queue ( $channel, %arguments ) {
    my $answer = call( $channel, 'declare_queue', exclusive => 1, auto_delete => 1, arguments => \%arguments );
    return $answer->method_frame->queue;
}

sub depth ( $channel, $queue ) {
    return call( $channel, 'declare_queue', queue => $queue, passive => 1 )->method_frame->message_count;
}

# A message from a queue with its body, or nothing.
sub message_of ( $channel, $queue, %arguments ) {
    my $answer = call( $channel, 'get', queue => $queue, no_ack => 1, %arguments );
    return $answer->{empty} ? undef : $answer;
}

sub body_of ( $channel, $queue ) {
    my $message = message_of( $channel, $queue ) // return undef;
    return $message->{body} ? $message->{body}->payload : '';
}

# Publish, and wait for the confirm: its name, and what was returned before.
sub confirmed ( $channel, %message ) {
    my @returned;
    my ($outcome) = wait_for(
        sub ( $success, $ ) {
            $channel->publish(
                %message,
                on_ack    => sub { $success->('ack') },
                on_nack   => sub { $success->('nack') },
                on_return => sub { push @returned, @_ },
            );
        }
    );
    return ( $outcome, @returned );
}

# A consumer: a function that waits for as many more messages as it is asked for.
sub consumer ( $channel, $queue, %arguments ) {
    my ( @received, $wake );
    call( $channel, 'consume', queue => $queue, no_ack => 0, %arguments,
        on_consume => sub ($message) { push @received, $message; $wake->() if $wake } );
    return sub ($count) {
        wait_for( sub ( $success, $ ) { $wake = $success } ) while @received < $count;
        return splice @received, 0, $count;
    };
}

sub bodies (@messages) { [ map { $_->{body}->payload } @messages ] }

check topology => sub {
    with_channel(
        sub ( $channel, $ ) {
            my $inbox = own_queue($channel);
            my %name  = map { $_ => name_of($_) } qw(direct topic fanout headers);
            call( $channel, 'declare_exchange', exchange => $name{$_}, type => $_, durable => 1 ) for sort keys %name;
            call( $channel, 'bind_queue', queue => $inbox, exchange => $name{direct}, routing_key => 'red' );
            call( $channel, 'bind_queue', queue => $inbox, exchange => $name{topic},  routing_key => '*.error.#' );
            my %linux = ( 'x-match' => 'all', os => 'linux' );
            call( $channel, 'bind_queue', queue => $inbox, exchange => $name{headers}, arguments => \%linux );
            call( $channel, 'bind_exchange', source => $name{direct}, destination => $name{fanout}, routing_key => 'all' );
            call( $channel, 'bind_queue', queue => $inbox, exchange => $name{fanout} );
            call( $channel, 'confirm' );
            my @sent = (
                [ direct  => 'red' ], [ direct => 'blue' ], [ direct => 'all' ],
                [ topic   => 'disk.error.full' ],
                [ headers => 'linux', { headers => { os => 'linux' } } ],
                [ headers => 'plan9', { headers => { os => 'plan9' } } ],
            );
            for (@sent) {
                my ( $exchange, $key, $header ) = @$_;
                confirmed( $channel, exchange => $name{$exchange}, routing_key => $key, body => $key, header => $header );
            }
            my @bodies = map { body_of( $channel, $inbox ) } 1 .. 5;
            equal( [ 'red', 'all', 'disk.error.full', 'linux', undef ], \@bodies );
            call( $channel, 'unbind_queue', queue => $inbox, exchange => $name{direct}, routing_key => 'red' );
            confirmed( $channel, exchange => $name{direct}, routing_key => 'red', body => 'unbound' );
            equal( 0, depth( $channel, $inbox ) );
            call( $channel, 'delete_exchange', exchange => $_ ) for values %name;

            my $kept = name_of('short');
            call( $channel, 'declare_queue', queue => $kept, durable => 1, arguments => { 'x-max-length' => 2 } );
            confirmed( $channel, routing_key => $kept, body => $_ ) for 1 .. 3;
            equal( 2, call( $channel, 'purge_queue', queue => $kept )->method_frame->message_count );
            confirmed( $channel, routing_key => $kept, body => 'last' );
            equal( 1, call( $channel, 'delete_queue', queue => $kept )->method_frame->message_count );
        }
    );
};

check properties => sub {
    with_channel(
        sub ( $channel, $ ) {
            my $queue = own_queue($channel);
            my %sent  = (
                content_type => 'text/plain', content_encoding => 'utf-8', delivery_mode => 2,
                priority => 7, correlation_id => 'c1', reply_to => 'there', expiration => '60000', message_id => 'm1',
                timestamp => 1_700_000_001, type => 'greeting', app_id => 'perl',
            );
            my %headers = ( text => 'words', table => { inside => 'too' }, list => [ 'one', 'two' ] );
            $channel->publish( routing_key => $queue, body => 'hello', header => { %sent, headers => \%headers } );
            my $header = message_of( $channel, $queue )->{header};
            equal( "$sent{$_}", $header->$_ . '' ) for sort keys %sent;
            equal( {broker()}->{user}, $header->user_id );
            equal( \%headers, $header->headers );
        }
    );
};

check confirms => sub {
    with_channel(
        sub ( $channel, $ ) {
            my $queue = own_queue($channel);
            call( $channel, 'confirm' );
            my $acks = 0;
            wait_for(
                sub ( $success, $ ) {
                    my $on_ack = sub { $success->() if ++$acks == 500 };
                    $channel->publish( routing_key => $queue, body => "$_", on_ack => $on_ack ) for 1 .. 500;
                }
            );
            equal( 500, depth( $channel, $queue ) );
            my $full = own_queue( $channel, 'x-max-length' => 1, 'x-overflow' => 'reject-publish' );
            my @outcomes = map { ( confirmed( $channel, routing_key => $full, body => "$_" ) )[0] } 1 .. 2;
            equal( [ 'ack', 'nack' ], \@outcomes );
        }
    );
};

check returns => sub {
    with_channel(
        sub ( $channel, $ ) {
            call( $channel, 'confirm' );
            my ( $outcome, $returned ) =
                confirmed( $channel, routing_key => name_of('nowhere'), mandatory => 1, body => 'lost' );
            equal( 'ack', $outcome );
            equal( '312 NO_ROUTE', text_of($returned) );
        }
    );
};

check prefetch => sub {
    with_channel(
        sub ( $channel, $ ) {
            my $queue = own_queue($channel);
            call( $channel, 'confirm' );
            confirmed( $channel, routing_key => $queue, body => "$_" ) for 0 .. 9;
            call( $channel, 'qos', prefetch_count => 3 );
            my $next  = consumer( $channel, $queue );
            my @first = $next->(3);
            equal( [ '0', '1', '2' ], bodies(@first) );
            equal( 7, depth( $channel, $queue ) );
            my @tags = map { $_->{deliver}->method_frame->delivery_tag } @first;
            $channel->ack( delivery_tag => $tags[1], multiple => 1 );
            $channel->reject( delivery_tag => $tags[2], requeue => 1 );
            my @again = grep { $_->{deliver}->method_frame->redelivered } $next->(3);
            equal( ['2'], bodies(@again) );
        }
    );
};

check 'large body' => sub {
    with_channel(
        sub ( $channel, $connection ) {
            my $queue = own_queue($channel);
            my $frame = $connection->{_frame_max} - 8;
            for my $size ( 0, 1, $frame - 1, $frame, $frame + 1, 16 * 1024 * 1024 ) {
                my $body = pack( 'N', $size ) x ( $size / 4 + 1 );
                $body = substr $body, 0, $size;
                $channel->publish( routing_key => $queue, body => $body );
                equal( sha256_hex($body), sha256_hex( body_of( $channel, $queue ) ) );
            }
        }
    );
};

check errors => sub {
    with_channel(
        sub ( $good, $connection ) {
            my $taken = name_of('taken');
            call( $good, 'declare_queue', queue => $taken, exclusive => 1 );
            my @mistakes = (
                [ 404, 'declare_queue',    queue    => name_of('missing'), passive => 1 ],
                [ 403, 'declare_exchange', exchange => 'amq.own' ],
                [ 406, 'declare_queue',    queue    => $taken, exclusive => 1, arguments => { 'x-expires' => 1000 } ],
            );
            for (@mistakes) {
                my ( $code, @command ) = @$_;
                my $closed  = AnyEvent->condvar;
                my $channel = call( $connection, 'open_channel', on_close => sub ($why) { $closed->send($why) } );
                failure_of( sub { call( $channel, @command ) } );
                equal( $code, 0 + $closed->recv->method_frame->reply_code );
            }
            equal( 0, depth( $good, $taken ) );
        }
    );
    failure_of( sub { connect_to_broker( pass => 'wrong' ) } );
    failure_of( sub { connect_to_broker( vhost => 'nowhere' ) } );
};

check transactions => sub {
    with_channel(
        sub ( $channel, $ ) {
            my $queue = own_queue($channel);
            call( $channel, 'select_tx' );
            $channel->publish( routing_key => $queue, body => 'rolled back' );
            call( $channel, 'rollback_tx' );
            $channel->publish( routing_key => $queue, body => 'committed' );
            equal( 0, depth( $channel, $queue ) );
            call( $channel, 'commit_tx' );
            equal( 'committed', body_of( $channel, $queue ) );
        }
    );
};

# The library does not reconnect: on_close tells, and everything is made anew.
sub reconnects ($lose) {
    my $closed     = AnyEvent->condvar;
    my $connection = connect_to_broker( on_close => sub ($why) { $closed->send($why) } );
    my $channel    = call( $connection, 'open_channel' );
    my $queue      = name_of('kept');
    call( $channel, 'declare_queue', queue => $queue, durable => 1, auto_delete => 0 );
    call( $channel, 'confirm' );
    confirmed( $channel, routing_key => $queue, body => 'before', header => { delivery_mode => 2 } );
    my ($first) = consumer( $channel, $queue )->(1);
    $lose->();
    my $why = $closed->recv;
    with_channel(
        sub ( $again, $ ) {
            my ($message) = consumer( $again, $queue )->(1);
            equal( [ 'before', 1 ], [ $message->{body}->payload, 0 + $message->{deliver}->method_frame->redelivered ] );
            call( $again, 'delete_queue', queue => $queue );
        }
    );
    return $why;
}

check 'reconnect after a forced close' => sub { equal( 320, 0 + ( text_of( reconnects( \&force_close ) ) =~ /(\d+)/ )[0] ) };
check 'reconnect after a cut'          => sub { reconnects( \&cut ) };

perform_checks();
