"""The table of ops, as text and as Markdown."""
