# frozen_string_literal: true

# For programs in Ruby: checks that are told as TAP, and the commands of the proxy.
#
#   check("confirms") { ... raise unless ... }
#   perform_checks

require 'socket'
require 'timeout'

URL = ENV.fetch('AMQP_URL', 'amqp://guest:guest@127.0.0.1:5672/%2F')
PREFIX = ENV.fetch('INTEROP_PREFIX', 'interop')
DEADLINE_S = 30

CHECKS = {} # rubocop:disable Style/MutableConstant

def check(name, &body)
  CHECKS[name] = body
end

# A name for a queue or an exchange that no other program uses.
def name_of(what)
  "#{PREFIX}.#{what}"
end

def equal(expected, actual)
  raise "expected #{expected.inspect}, got #{actual.inspect}" unless expected == actual
end

def raises(kind)
  yield
rescue kind => e
  e
else
  raise "#{kind} was not raised"
end

# What comes next into a queue of this program, waiting for it if need be.
def next_of(queue)
  Timeout.timeout(DEADLINE_S) { queue.pop }
end

# Reset all connections of this program to the broker.
def cut
  command('cut')
end

# Have all connections of this program closed with 320 CONNECTION_FORCED, as by an operator.
def force_close
  command('close')
end

def command(word)
  TCPSocket.open('127.0.0.1', Integer(ENV.fetch('INTEROP_CONTROL'))) do |control|
    control.puts(word)
    equal("done\n", control.gets)
  end
end

# Perform the checks in the order of their definition, or only those named on the command line, and exit.
def perform_checks
  chosen = ARGV.empty? ? CHECKS : CHECKS.slice(*ARGV)
  failures = chosen.count { |name, body| !passes?(name, body) }
  puts "1..#{chosen.size}"
  $stdout.flush
  exit!(failures.zero?) # threads of a failed check must not keep the program
end

def passes?(name, body)
  body.call
  puts "ok - #{name}"
  true
rescue StandardError => e
  puts "not ok - #{name}", e.full_message(highlight: false, order: :bottom).gsub(/^/, '# ')
  false
ensure
  $stdout.flush
end
