"""`plot`: a program along one of its numbers, over two of them, or the entries of its tensors."""

from gradcli.execution.commands.plot.plot import plot

__all__ = ["plot"]
