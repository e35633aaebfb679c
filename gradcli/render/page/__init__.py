"""A report as one page of HTML that needs no network, and says everything without its script."""
