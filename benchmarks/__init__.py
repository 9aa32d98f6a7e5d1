"""Measurements, always as ratios in one run: against a peer or an empty handler on the same machine."""
