import torch

w = torch.tensor(2.0, requires_grad=True)
loss = w**3 + 1
loss.backward()
loss.backward()
