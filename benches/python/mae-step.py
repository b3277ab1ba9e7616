"""The case mae-step in PyTorch: encoder on the kept patches, decoder on all, pixels of the hidden ones predicted."""

import torch
import torch.nn.functional as F
from torch import nn

import vit
from common import Case, main

EPSILON = 1e-6


def grid_positions(rows, columns, width):
    """Fixed positions `[l, d]`: column, then row, each as sines and cosines (He et al. 2021, in its code)."""
    quarter = width // 4
    rates = 10_000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    places = torch.arange(rows * columns)
    parts = []
    for place in (places % columns, places // columns):
        angles = torch.outer(place.double(), rates)
        parts += [angles.sin(), angles.cos()]
    return torch.cat(parts, 1).float()


class Mae(nn.Module):
    """Axes: b pictures, k kept patches and the class token, t all patches and it, e width of the decoder, c hidden patches."""

    def __init__(self, image, encoder, objective):
        super().__init__()
        size, width = encoder["patch_size"], encoder["width"]
        rows, columns = image["height"] // size, image["width"] // size
        features = size * size * image["channels"]
        narrow = objective["decoder_width"]
        self.embed = nn.Linear(features, width)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.mask_token = nn.Parameter(torch.zeros(1, narrow))
        self.class_token.no_decay = self.mask_token.no_decay = True
        heads, layers = encoder["num_heads"], encoder["num_layers"]
        self.layers = nn.ModuleList(vit.Block(width, heads, 4 * width, EPSILON) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.decoder_embed = nn.Linear(width, narrow)
        heads, layers = objective["decoder_heads"], objective["decoder_layers"]
        self.decoder_layers = nn.ModuleList(vit.Block(narrow, heads, 4 * narrow, EPSILON) for _ in range(layers))
        self.decoder_norm = nn.LayerNorm(narrow, eps=EPSILON)
        self.predict = nn.Linear(narrow, features)
        self.register_buffer("positions", grid_positions(rows, columns, width))
        places = torch.cat((torch.zeros(1, narrow), grid_positions(rows, columns, narrow)))
        self.register_buffer("decoder_positions", places)

    def forward(self, patches_bkp, places_bk, unshuffle_bt, hidden_c, targets_cp):
        rows_bkd = self.embed(patches_bkp) + self.positions[places_bk]
        hidden_bkd = torch.cat((self.class_token.expand(rows_bkd.shape[0], -1, -1), rows_bkd), 1)
        for layer in self.layers:
            hidden_bkd = layer(hidden_bkd)
        known_ne = torch.cat((self.decoder_embed(self.norm(hidden_bkd)).flatten(0, 1), self.mask_token))
        all_bte = known_ne[unshuffle_bt] + self.decoder_positions
        for layer in self.decoder_layers:
            all_bte = layer(all_bte)
        predicted_cp = self.predict(self.decoder_norm(all_bte.flatten(0, 1)[hidden_c]))
        return F.mse_loss(predicted_cp, targets_cp)


RENAMED = {
    "encoder.embeddings.patch_embeddings.projection.": "embed.",
    "encoder.embeddings.cls_token": "class_token",
    "encoder.layernorm.": "norm.",
    "objective.decoder_embed.": "decoder_embed.",
    "objective.mask_token": "mask_token",
    "objective.decoder_norm.": "decoder_norm.",
    "objective.decoder_pred.": "predict.",
}
OF_ENCODER = {
    "attention.qkv.": "qkv.",
    "attention.output.dense.": "output.",
    "layernorm_before.": "attention_norm.",
    "layernorm_after.": "norm.",
    "intermediate.dense.": "up.",
    "output.dense.": "down.",
}
OF_DECODER = {
    "attention.qkv.": "qkv.",
    "attention.output.": "output.",
    "attention_norm.": "attention_norm.",
    "mlp_norm.": "norm.",
    "mlp.up.": "up.",
    "mlp.down.": "down.",
}
BLOCKS = {"encoder.encoder.layer.": ("layers", OF_ENCODER), "objective.decoder_blocks.": ("decoder_layers", OF_DECODER)}


def renamed(name):
    for lacuna, here in RENAMED.items():
        if name.startswith(lacuna):
            return here + name[len(lacuna) :]
    for place, (layers, parts) in BLOCKS.items():
        if not name.startswith(place):
            continue
        number, rest = name[len(place) :].split(".", 1)
        for lacuna, here in parts.items():
            if rest.startswith(lacuna):
                return f"{layers}.{number}.{here}{rest[len(lacuna) :]}"
    return name


def model(experiment, weights):
    encoder, objective = experiment["model"]["encoder"], experiment["objective"]
    vit.join(weights, "encoder.encoder.layer.", encoder["num_layers"], "attention.attention.")
    vit.join(weights, "objective.decoder_blocks.", objective["decoder_layers"], "attention.")
    return Mae(experiment["data"]["image"], encoder, objective)


def inputs(batch):
    pictures = batch["mae.keys"].numel()
    features = batch["mae.patches"].shape[-1]
    return {
        "patches_bkp": batch["mae.patches"].view(pictures, -1, features),
        "places_bk": batch["mae.positions"].view(pictures, -1),
        "unshuffle_bt": batch["mae.unshuffle"].view(pictures, -1),
        "hidden_c": batch["mae.hidden"],
        "targets_cp": batch["mae.targets"],
    }


main(Case(model, renamed, inputs))
