"""The wire codec: bytes to values and back."""
