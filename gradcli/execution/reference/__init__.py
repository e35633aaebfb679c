"""What the definitions say: the trace by its ops' definitions, and every gradient by derivatives of these."""
