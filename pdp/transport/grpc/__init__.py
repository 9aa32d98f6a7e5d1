"""The gRPC server: the decision service, Envoy's ext_authz, health and reflection."""
