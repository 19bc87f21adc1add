"""Other people's client libraries against a broker: programs of ours that use them, and their own tests."""
