"""The inventory: which action on which resource an HTTP request is about."""
