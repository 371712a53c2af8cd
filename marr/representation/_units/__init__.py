"""Single units: what each of them, and each pair, does."""
