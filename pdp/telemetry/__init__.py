"""What the decision point says of itself: metrics and log lines. It knows nothing of policies or requests."""
