"""One module a capability; no route knows another."""
