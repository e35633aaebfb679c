"""Asking for derivatives: what is asked, what comes back, and the worker process that answers."""
