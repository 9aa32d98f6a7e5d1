"""The messages of `proto/pdp/v1/decision.proto`."""
