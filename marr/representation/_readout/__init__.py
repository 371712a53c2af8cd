"""What probes say beyond their accuracy: generalization, cost, capacity, onset, use."""
