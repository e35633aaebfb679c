"""A script as it stands: run as Python runs it, and seen at each of its backward calls."""
