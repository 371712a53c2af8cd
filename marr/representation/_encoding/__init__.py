"""Encoding: how well features predict the activity of each unit."""
