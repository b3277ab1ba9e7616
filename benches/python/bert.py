"""BERT in plain PyTorch (Devlin et al. 2018, arXiv:1810.04805), for the cases mlm-step and mlm-step-ragged.

Axes: b texts, t positions, d width, h heads, c chosen rows, v vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Layer(nn.Module):
    """Attention and feed-forward, each followed by the residual's norm."""

    def __init__(self, width, heads, ffn, epsilon):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=epsilon)
        self.up = nn.Linear(width, ffn)
        self.down = nn.Linear(ffn, width)
        self.norm = nn.LayerNorm(width, eps=epsilon)

    def forward(self, hidden_btd, visible_b11t):
        b, t, d = hidden_btd.shape
        q, k, v = self.qkv(hidden_btd).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible_b11t)
        hidden_btd = self.attention_norm(hidden_btd + self.output(mixed.transpose(1, 2).reshape(b, t, d)))
        return self.norm(hidden_btd + self.down(F.gelu(self.up(hidden_btd))))


class Bert(nn.Module):
    """The encoder, the tied head on the chosen rows only, and the mean cross-entropy there."""

    def __init__(self, settings, vocabulary):
        super().__init__()
        width, epsilon = settings["width"], settings["norm_epsilon"]
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(settings["maximum_length"], width)
        self.norm = nn.LayerNorm(width, eps=epsilon)
        heads, ffn = settings["num_heads"], settings["ffn_width"]
        self.layers = nn.ModuleList(Layer(width, heads, ffn, epsilon) for _ in range(settings["num_layers"]))
        self.transform = nn.Linear(width, width)
        self.transform_norm = nn.LayerNorm(width, eps=epsilon)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, tokens_bt, chosen_c, targets_c, visible_b11t=None):
        hidden_btd = self.words(tokens_bt) + self.positions.weight[: tokens_bt.shape[1]]
        hidden_btd = self.norm(hidden_btd)
        for layer in self.layers:
            hidden_btd = layer(hidden_btd, visible_b11t)
        hidden_cd = hidden_btd.flatten(0, 1)[chosen_c]
        hidden_cd = self.transform_norm(F.gelu(self.transform(hidden_cd)))
        return F.cross_entropy(F.linear(hidden_cd, self.words.weight, self.bias), targets_c)


RENAMED = {
    "encoder.embeddings.word_embeddings.": "words.",
    "encoder.embeddings.position_embeddings.": "positions.",
    "encoder.embeddings.LayerNorm.": "norm.",
    "objective.encoder.tokens.cls.predictions.bias": "bias",
    "objective.encoder.tokens.cls.predictions.transform.dense.": "transform.",
    "objective.encoder.tokens.cls.predictions.transform.LayerNorm.": "transform_norm.",
}
OF_LAYER = {
    "attention.qkv.": "qkv.",
    "attention.output.dense.": "output.",
    "attention.output.LayerNorm.": "attention_norm.",
    "intermediate.dense.": "up.",
    "output.dense.": "down.",
    "output.LayerNorm.": "norm.",
}


def renamed(name):
    for lacuna, here in RENAMED.items():
        if name.startswith(lacuna):
            return here + name[len(lacuna) :]
    number, rest = name.removeprefix("encoder.encoder.layer.").split(".", 1)
    for lacuna, here in OF_LAYER.items():
        if rest.startswith(lacuna):
            return f"layers.{number}.{here}{rest[len(lacuna) :]}"
    return name


def model(experiment, weights):
    """The module that the experiment asks for; `weights` gets query, key and value of each layer as one, as people write it."""
    for kind in ("weight", "bias"):
        for number in range(experiment["model"]["encoder"]["num_layers"]):
            place = f"encoder.encoder.layer.{number}.attention."
            parts = [weights.pop(f"{place}self.{part}.{kind}") for part in ("query", "key", "value")]
            weights[f"{place}qkv.{kind}"] = torch.cat(parts)
    return Bert(experiment["model"]["encoder"], weights["encoder.embeddings.word_embeddings.weight"].shape[0])


def padded(batch):
    """Lacuna's rows as padded texts: tokens `[b, t]`, who is real `[b, 1, 1, t]` or none where all are, the chosen rows in `b·t`."""
    offsets = batch["text.offsets"]
    lengths = offsets[1:] - offsets[:-1]
    longest = int(lengths.max())
    real_bt = torch.arange(longest) < lengths[:, None]
    tokens_bt = torch.zeros(real_bt.shape, dtype=torch.long)
    tokens_bt[real_bt] = batch["text.shown"].long()
    places_n = torch.arange(real_bt.numel()).view_as(real_bt)[real_bt]
    inputs = {"tokens_bt": tokens_bt, "chosen_c": places_n[batch["chosen"]], "targets_c": batch["targets"]}
    if not bool(real_bt.all()):
        inputs["visible_b11t"] = real_bt[:, None, None, :]
    return inputs
