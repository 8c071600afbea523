"""Heads: small networks that learn from the features of others, in NumPy."""
