"""Representational similarity analysis: dissimilarities, and inference on them."""
