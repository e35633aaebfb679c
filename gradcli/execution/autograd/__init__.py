"""What PyTorch says: backward, grad, torch.func, and what it saves and refuses."""
