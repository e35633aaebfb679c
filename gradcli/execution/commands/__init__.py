"""The commands, a module a command: each takes a program and returns a report."""
