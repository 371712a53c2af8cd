"""Geometry and dimension of a population code."""
