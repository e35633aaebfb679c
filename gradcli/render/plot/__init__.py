"""The pictures of `gradcli plot`: with braille dots in a terminal, and by matplotlib as PNG and SVG."""
