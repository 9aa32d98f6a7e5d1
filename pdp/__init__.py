"""A policy decision point for zero trust: Cedar policies, fresh facts, explained answers."""

__version__ = "0.1.0"
