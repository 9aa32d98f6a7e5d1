"""Verified credentials in, Cedar entities out."""
