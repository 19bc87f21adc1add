"""Back ends that say who users are and what they may do: tokens, a web service, and chains of these.

The rules are pure (`oauth2.py`, `scopes.py`); what is fetched is fetched by `web.py`. Each back end gives a user its
rights as the core sees them (`core/principals.py`). What the back ends need is installed by extras, and imported by
the back end that needs it.
"""
