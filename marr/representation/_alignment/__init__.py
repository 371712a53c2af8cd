"""Alignment: how alike two representations are, under which invariance."""
