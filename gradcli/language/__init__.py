"""The program language: text to nodes, with every limit checked before anything recurses."""
