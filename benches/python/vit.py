"""A vision transformer and the masked autoencoder on it in plain PyTorch (He et al. 2021, arXiv:2111.06377), for the case mae-step.

Axes: b images, l patches of an image, k kept ones, t tokens (the class token and patches), d width, p numbers of a patch.
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


def patches_of(pixels_bchw, patch):
    """`[b, c, h, w]` to `[b, l, p]`, inside a patch row, column, channel."""
    b, c, h, w = pixels_bchw.shape
    cut = pixels_bchw.view(b, c, h // patch, patch, w // patch, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(b, (h // patch) * (w // patch), patch * patch * c)
