"""What docs/models.md checks: a critic whose loss holds a gradient."""

import torch
from torch import nn


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, real, fake):
        mixed = 0.3 * real + 0.7 * fake
        (g,) = torch.autograd.grad(self.net(mixed).sum(), mixed, create_graph=True)
        penalty = ((g.norm(dim=1) - 1) ** 2).mean()
        return self.net(fake).mean() - self.net(real).mean() + 10 * penalty
