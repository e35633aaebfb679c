"""What one command shows beside the tensors, a module a command."""
