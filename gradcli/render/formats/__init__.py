"""One module a format: a report, or a suite's, to text."""
