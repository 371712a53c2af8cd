"""Sparse dictionaries and factorizations of activity."""
