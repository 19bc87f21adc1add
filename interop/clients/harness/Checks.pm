package Checks;

# For programs in Perl: checks that are told as TAP, and the commands of the proxy.
#
#     check 'confirms' => sub { ... };
#     perform_checks();

use v5.36;
use Exporter 'import';
use IO::Socket::INET;
use JSON::PP;

our @EXPORT = qw(check equal name_of cut force_close perform_checks broker);

my $json = JSON::PP->new->canonical->allow_nonref;
my @checks;

sub check ( $name, $body ) { push @checks, [ $name, $body ] }

# Where the broker is: host, port, user, pass, vhost.
sub broker() {
    my $url = $ENV{AMQP_URL} // 'amqp://guest:guest@127.0.0.1:5672/%2F';
    my ( $user, $pass, $host, $port, $vhost ) = $url =~ m{^amqp://(.*?):(.*?)@(.*?):(\d+)/(.*)$}
        or die "not a URL: $url";
    $vhost =~ s/%([0-9a-f]{2})/chr hex $1/egi;
    return ( host => $host, port => $port, user => $user, pass => $pass, vhost => $vhost );
}

# A name for a queue or an exchange that no other program uses.
sub name_of ($what) { ( $ENV{INTEROP_PREFIX} // 'interop' ) . ".$what" }

sub equal ( $expected, $actual ) {
    my ( $wanted, $got ) = map { $json->encode($_) } $expected, $actual;
    die "expected $wanted, got $got\n" . join '', map { "at line $_\n" } ( caller(0) )[2] if $wanted ne $got;
}

# Reset all connections of this program to the broker.
sub cut() { command('cut') }

# Have all connections of this program closed with 320 CONNECTION_FORCED, as by an operator.
sub force_close() { command('close') }

sub command ($word) {
    my $control = IO::Socket::INET->new( PeerAddr => '127.0.0.1', PeerPort => $ENV{INTEROP_CONTROL} ) or die $!;
    $control->print("$word\n");
    equal( "done\n", $control->getline );
}

# Perform the checks in the order of their definition, or only those named on the command line, and exit.
sub perform_checks() {
    local $| = 1;
    my %wanted   = map  { $_ => 1 } @ARGV;
    my @chosen   = grep { !%wanted || $wanted{ $_->[0] } } @checks;
    my $failures = 0;
    for (@chosen) {
        my ( $name, $body ) = @$_;
        if ( eval { $body->(); 1 } ) { say "ok - $name"; next }
        $failures++;
        say "not ok - $name\n", $@ =~ s/^/# /gmr;
    }
    say '1..', scalar @chosen;
    exit( $failures ? 1 : 0 );
}

1;
