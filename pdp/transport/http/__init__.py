"""The HTTP server: health and metrics."""
