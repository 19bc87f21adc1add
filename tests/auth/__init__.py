"""Back ends: tokens, keys, a web service, and the chains of them."""
