"""A Conformer over log-mel frames in plain PyTorch (Gulati et al. 2020, arXiv:2005.08100), for the case conv-frontend.

As the family `conformer` has it: rotary positions, and a layer norm within the convolution. Axes: b sounds, f frames, m bins,
t rows of a sound, d width. Modules have Lacuna's names, but for query, key and value as one.
"""

import torch
import torch.nn.functional as F
from torch import nn

from llama import rotary_table, turned


class FeedForward(nn.Module):
    """Norm, linear, SiLU, linear."""

    def __init__(self, width, ffn, epsilon):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.up = nn.Linear(width, ffn)
        self.down = nn.Linear(ffn, width)

    def forward(self, x_btd):
        return self.down(F.silu(self.up(self.norm(x_btd))))


class Attention(nn.Module):
    """Norm, then attention among the rows of a sound."""

    def __init__(self, width, heads, epsilon):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x_btd, table):
        b, t, d = x_btd.shape
        q, k, v = self.qkv(self.norm(x_btd)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(turned(q, *table), turned(k, *table), v)
        return self.output(mixed.transpose(1, 2).reshape(b, t, d))


class Convolution(nn.Module):
    """Norm, pointwise, GLU, depthwise, norm, SiLU, pointwise."""

    def __init__(self, width, kernel, epsilon):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.pointwise1 = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.inner_norm = nn.LayerNorm(width, eps=epsilon)
        self.pointwise2 = nn.Linear(width, width)

    def forward(self, x_btd):
        gate, value = self.pointwise1(self.norm(x_btd)).chunk(2, dim=-1)
        mixed_btd = self.depthwise((gate.sigmoid() * value).transpose(1, 2)).transpose(1, 2)
        return self.pointwise2(F.silu(self.inner_norm(mixed_btd)))


class Block(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm."""

    def __init__(self, settings):
        super().__init__()
        width, epsilon = settings["width"], settings["norm_epsilon"]
        ffn = settings.get("ffn_width", 4 * width)
        self.ffn1 = FeedForward(width, ffn, epsilon)
        self.attention = Attention(width, settings["num_heads"], epsilon)
        self.conv = Convolution(width, settings["kernel"], epsilon)
        self.ffn2 = FeedForward(width, ffn, epsilon)
        self.norm = nn.LayerNorm(width, eps=epsilon)

    def forward(self, x_btd, table):
        x_btd = x_btd + 0.5 * self.ffn1(x_btd)
        x_btd = x_btd + self.attention(x_btd, table)
        x_btd = x_btd + self.conv(x_btd)
        return self.norm(x_btd + 0.5 * self.ffn2(x_btd))


class Frontend(nn.Module):
    """Two convolutions of stride 2 with ReLU, then a linear layer over channels and bins: a row for four frames."""

    def __init__(self, width, channels, bins):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.projection = nn.Linear(channels * -(-bins // 4), width)

    def forward(self, features_bfm):
        x_bctm = F.relu(self.conv2(F.relu(self.conv1(features_bfm[:, None]))))
        return self.projection(x_bctm.transpose(1, 2).flatten(2))


class Conformer(nn.Module):
    """The convolutions and the blocks; rows that are hidden get the vector `mask` in between."""

    def __init__(self, settings, audio):
        super().__init__()
        width, heads = settings["width"], settings["num_heads"]
        self.frontend = Frontend(width, settings.get("channels", width), audio["bins"])
        self.layers = nn.ModuleList(Block(settings) for _ in range(settings["num_layers"]))
        cosines, sines = rotary_table(audio["frames"] // 4, width // heads, 10_000.0)
        self.register_buffer("cosines", cosines)
        self.register_buffer("sines", sines)

    def forward(self, features_bfm, hidden_bt1, mask_1d):
        x_btd = torch.where(hidden_bt1, mask_1d, self.frontend(features_bfm))
        for layer in self.layers:
            x_btd = layer(x_btd, (self.cosines, self.sines))
        return x_btd
