"""Actors by client library: the same work in the manner of each."""
