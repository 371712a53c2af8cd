"""Dictionaries: sparse features, parts and components of the activity of a site."""
