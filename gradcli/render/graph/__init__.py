"""The graph of `gradcli graph` as a picture: boxes and arrows, laid out here or left to a reader of Mermaid or DOT."""
