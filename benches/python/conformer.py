"""A Conformer over log-mel frames in plain PyTorch (Gulati et al. 2020, arXiv:2005.08100), for the case conv-frontend.

Axes: b clips, f frames, m mel bins, t subsampled frames, d width.
"""

import torch
import torch.nn.functional as F
from torch import nn


class FeedForward(nn.Module):
    """Norm, linear, swish, linear."""

    def __init__(self, width, ffn, epsilon):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.up = nn.Linear(width, ffn)
        self.down = nn.Linear(ffn, width)

    def forward(self, hidden_btd):
        return self.down(F.silu(self.up(self.norm(hidden_btd))))


def depthwise(channels, kernel, bias=True):
    """A convolution along time of each feature for itself, as long as its input."""
    return nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=bias)


def attention(q, k, v, heads):
    """Attention of `[b, t, d]` in heads."""
    b, t, d = q.shape
    split = [x.view(b, t, heads, d // heads).transpose(1, 2) for x in (q, k, v)]
    return F.scaled_dot_product_attention(*split).transpose(1, 2).reshape(b, t, d)
