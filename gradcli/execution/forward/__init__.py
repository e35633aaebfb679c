"""A program run by PyTorch and recorded call by call."""
