"""gradcli: the command-line gradient explorer for PyTorch."""

__version__ = "0.1.0"
