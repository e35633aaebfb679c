"""The op table: what each op of PyTorch is, as data."""
