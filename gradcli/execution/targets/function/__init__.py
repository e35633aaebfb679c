"""A Function with its arguments: what can be called at a point."""
