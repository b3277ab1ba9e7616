"""The block of a vision transformer in plain PyTorch, for the case mae-step.

Axes: b pictures, t rows of a picture, d width.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Norm, attention, norm, feed-forward (Dosovitskiy et al. 2020, arXiv:2010.11929)."""

    def __init__(self, width, heads, ffn, epsilon):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width, eps=epsilon)
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.up = nn.Linear(width, ffn)
        self.down = nn.Linear(ffn, width)

    def forward(self, hidden_btd):
        b, t, d = hidden_btd.shape
        heads = self.qkv(self.attention_norm(hidden_btd)).view(b, t, 3, self.heads, d // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d)
        hidden_btd = hidden_btd + self.output(mixed)
        return hidden_btd + self.down(F.gelu(self.up(self.norm(hidden_btd))))


def join(weights, place, layers, attention):
    """Query, key and value of each layer as one weight `attention.qkv`, as people write it."""
    for number in range(layers):
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"{place}{number}.{attention}{part}.{kind}") for part in ("query", "key", "value")]
            weights[f"{place}{number}.attention.qkv.{kind}"] = torch.cat(parts)
