"""What is checked of a Function beside its gradients at one point."""
