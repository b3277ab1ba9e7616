"""A Llama-like decoder in plain PyTorch (Touvron et al. 2023, arXiv:2302.13971, section 2.2), for clm-step and decode.

Axes: b texts, t positions, d width, h heads, e width of a head, v vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import nn


def rotary_table(length, head_dim, base):
    """Cosines and sines `[t, e]` of the angles of Su et al. 2021 (arXiv:2104.09864), halves of a head paired."""
    rates = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), rates).repeat(1, 2)
    return angles.cos().float(), angles.sin().float()


def turned(x, cosines_te, sines_te):
    left, right = x.chunk(2, dim=-1)
    return x * cosines_te + torch.cat((-right, left), dim=-1) * sines_te


class Layer(nn.Module):
    """Norm, attention, norm, SwiGLU."""

    def __init__(self, width, heads, ffn, epsilon):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.RMSNorm(width, eps=epsilon)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.norm = nn.RMSNorm(width, eps=epsilon)
        self.gate_up = nn.Linear(width, 2 * ffn, bias=False)
        self.down = nn.Linear(ffn, width, bias=False)

    def heads_of(self, hidden_btd, table):
        b, t, d = hidden_btd.shape
        heads = self.qkv(self.attention_norm(hidden_btd)).view(b, t, 3, self.heads, d // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)
        return turned(q, *table), turned(k, *table), v

    def after(self, hidden_btd, mixed_bhte):
        hidden_btd = hidden_btd + self.output(mixed_bhte.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.norm(hidden_btd)).chunk(2, dim=-1)
        return hidden_btd + self.down(F.silu(gate) * up)

    def forward(self, hidden_btd, table):
        q, k, v = self.heads_of(hidden_btd, table)
        return self.after(hidden_btd, F.scaled_dot_product_attention(q, k, v, is_causal=True))

    def forward_cached(self, hidden_btd, table, cache, first):
        """The same for positions `first..`, keys and values kept in `cache` `[2, b, h, longest, e]`."""
        q, k, v = self.heads_of(hidden_btd, table)
        last = first + hidden_btd.shape[1]
        cache[0, :, :, first:last] = k
        cache[1, :, :, first:last] = v
        keys, values = cache[0, :, :, :last], cache[1, :, :, :last]
        mixed = F.scaled_dot_product_attention(q, keys, values, is_causal=first == 0 and last > 1)
        return self.after(hidden_btd, mixed)


class Llama(nn.Module):
    """The decoder with its head, and the mean cross-entropy of each token's successor."""

    def __init__(self, settings, vocabulary, longest, tied):
        super().__init__()
        width, heads, epsilon = settings["width"], settings["num_heads"], settings["norm_epsilon"]
        self.words = nn.Embedding(vocabulary, width)
        ffn = settings["ffn_width"]
        self.layers = nn.ModuleList(Layer(width, heads, ffn, epsilon) for _ in range(settings["num_layers"]))
        self.norm = nn.RMSNorm(width, eps=epsilon)
        self.decoder = None if tied else nn.Linear(width, vocabulary, bias=False)
        cosines, sines = rotary_table(longest, width // heads, settings["rotary_base"])
        self.register_buffer("cosines", cosines)
        self.register_buffer("sines", sines)

    def logits(self, hidden):
        weight = self.words.weight if self.decoder is None else self.decoder.weight
        return F.linear(self.norm(hidden), weight)

    def forward(self, tokens_bt, targets_c):
        hidden_btd = self.words(tokens_bt)
        t = tokens_bt.shape[1]
        table = self.cosines[:t], self.sines[:t]
        for layer in self.layers:
            hidden_btd = layer(hidden_btd, table)
        # The last position of a text has no successor.
        return F.cross_entropy(self.logits(hidden_btd[:, :-1].flatten(0, 1)), targets_c)


def renamed(name):
    rest = name.removeprefix("decoder.")
    if rest.startswith("encoder.layer."):
        number, rest = rest.removeprefix("encoder.layer.").split(".", 1)
        of_layer = {
            "attention.qkv.": "qkv.",
            "attention.output.dense.": "output.",
            "attention.output.LayerNorm.": "attention_norm.",
            "intermediate.dense.": "gate_up.",
            "output.dense.": "down.",
            "output.LayerNorm.": "norm.",
        }
        for lacuna, here in of_layer.items():
            if rest.startswith(lacuna):
                return f"layers.{number}.{here}{rest[len(lacuna) :]}"
    whole = {
        "embeddings.word_embeddings.weight": "words.weight",
        "encoder.LayerNorm.weight": "norm.weight",
    }
    return "decoder.weight" if name.endswith("cls.predictions.decoder.weight") else whole.get(rest, name)


def joined(weights, layers):
    """Query, key and value of each layer as one weight, as people write it."""
    for number in range(layers):
        place = f"decoder.encoder.layer.{number}.attention."
        parts = [weights.pop(f"{place}self.{part}.weight") for part in ("query", "key", "value")]
        weights[f"{place}qkv.weight"] = torch.cat(parts)


def model(experiment, weights, longest=None):
    """The module that the experiment asks for."""
    settings = experiment["model"]["decoder"]
    joined(weights, settings["num_layers"])
    vocabulary = weights["decoder.embeddings.word_embeddings.weight"].shape[0]
    tied = not any(name.endswith("cls.predictions.decoder.weight") for name in weights)
    return Llama(settings, vocabulary, longest or experiment["data"]["text"]["length"], tied)
