"""Probes: what can be read out of activity."""
