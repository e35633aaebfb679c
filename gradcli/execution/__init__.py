"""What runs in torch: the user's program, autograd, and the evaluation of symbolic derivatives."""
