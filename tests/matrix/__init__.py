"""The matrix of sizes, readers and features: what its clients see, and what is made of it."""
