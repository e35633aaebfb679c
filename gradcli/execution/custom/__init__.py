"""A user's `torch.autograd.Function`: loaded, run, and its backward compared with what its forward computes."""
