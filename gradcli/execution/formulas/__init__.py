"""The gradients as formulas to read: what the symbolic side is asked, and what it answers."""
