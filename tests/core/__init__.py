"""The broker without a network: operations in, deliveries out."""
