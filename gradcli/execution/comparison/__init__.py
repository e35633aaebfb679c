"""Autograd's gradients beside the symbolic ones: do they agree, where not, and why."""
