"""Policy bundles and the cases that test them."""
