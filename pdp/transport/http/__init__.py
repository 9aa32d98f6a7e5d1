"""The HTTP server: health and metrics, and the doors that speak HTTP, each served only if it is configured.

Read in this order: `server`, `endpoint` and `json_body` (what every door stands on), `authzen`, `forward_auth`,
`kubernetes`, `doors` (which of them there are).
"""
