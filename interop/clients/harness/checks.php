<?php

declare(strict_types=1);

// For programs in PHP: checks that are told as TAP, and the commands of the proxy.
//
//     check('confirms', function () { ... });
//     performChecks();

// A connection that is cut makes PHP warn; the library's exception is what counts.
error_reporting(E_ALL & ~E_WARNING & ~E_NOTICE & ~E_DEPRECATED & ~E_USER_DEPRECATED);

define('PREFIX', getenv('INTEROP_PREFIX') ?: 'interop');
define('BROKER', parse_url(getenv('AMQP_URL') ?: 'amqp://guest:guest@127.0.0.1:5672/%2F'));
const DEADLINE_S = 30;

$checks = [];

function check(string $name, callable $body): void
{
    global $checks;
    $checks[$name] = $body;
}

/** The virtual host of the broker's URL. */
function vhost(): string
{
    return rawurldecode(substr(BROKER['path'], 1));
}

/** A name for a queue or an exchange that no other program uses. */
function nameOf(string $what): string
{
    return PREFIX . '.' . $what;
}

function equal($expected, $actual): void
{
    if ($expected !== $actual) {
        throw new RuntimeException('expected ' . var_export($expected, true) . ', got ' . var_export($actual, true));
    }
}

/** The exception of this class that something throws. */
function thrown(string $class, callable $body): Throwable
{
    try {
        $body();
    } catch (Throwable $thrown) {
        if ($thrown instanceof $class) {
            return $thrown;
        }
        throw $thrown;
    }
    throw new RuntimeException("$class was not thrown");
}

/** Reset all connections of this program to the broker. */
function cut(): void
{
    command('cut');
}

/** Have all connections of this program closed with 320 CONNECTION_FORCED, as by an operator. */
function forceClose(): void
{
    command('close');
}

function command(string $word): void
{
    $control = stream_socket_client('tcp://127.0.0.1:' . getenv('INTEROP_CONTROL'));
    fwrite($control, "$word\n");
    equal("done\n", fgets($control));
    fclose($control);
}

/** Perform the checks in the order of their definition, or only those named on the command line, and exit. */
function performChecks(): void
{
    global $argv, $checks;
    $wanted = array_slice($argv, 1);
    $chosen = $wanted ? array_intersect_key($checks, array_flip($wanted)) : $checks;
    $failures = 0;
    foreach ($chosen as $name => $body) {
        try {
            $body();
            echo "ok - $name\n";
        } catch (Throwable $error) {
            $failures++;
            echo "not ok - $name\n# ", str_replace("\n", "\n# ", (string) $error), "\n";
        }
    }
    echo '1..', count($chosen), "\n";
    exit($failures ? 1 : 0);
}
