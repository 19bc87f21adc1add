"""Regular expressions as RabbitMQ has them, which cannot stop the broker (decision 26).

The patterns of permissions, policies and password validators come from people, and the names that they are searched in
from anybody. Python's `re` backtracks without a bound, as most engines do: `(a+)+$` and 40 letters are enough. So these
have an engine of their own. The syntax is PCRE's, and as in RabbitMQ octets are matched, not characters. A search never
looks at a place of the pattern and a place of the text twice, and gives up after so many steps.

`parser` makes a program of a pattern, `program` runs it, `octets` has the classes of octets.

Source: `rabbit_auth_backend_internal`, `rabbit_policy`; PCRE 8.44 as it runs in Erlang's `re`.
"""

from amqpy.patterns.parser import PatternError, compile_pattern, quoted, restored_pattern
from amqpy.patterns.program import Program

__all__ = ["PatternError", "Program", "compile_pattern", "quoted", "restored_pattern"]
