"""The case conv-frontend in PyTorch: masked prediction of units on a Conformer (Hsu et al. 2021, arXiv:2106.07447)."""

import torch
import torch.nn.functional as F
from torch import nn

import vit
from common import Case, main
from conformer import Conformer


class Hubert(nn.Module):
    """Cosines of the hidden rows with the units' vectors. Axes: c hidden rows, e width of a unit's vector, v units."""

    def __init__(self, encoder, audio, objective):
        super().__init__()
        width, unit_width = encoder["width"], objective["unit_width"]
        if objective["logits"] != "cosine" or objective["unmasked_weight"] != 0:
            raise SystemExit("the comparison has cosine logits and no loss on rows that were not hidden")
        self.temperature = objective["temperature"]
        self.encoder = Conformer(encoder, audio)
        self.mask = nn.Parameter(torch.zeros(1, width))
        self.mask.no_decay = True
        self.projection = nn.Linear(width, unit_width)
        self.units = nn.Parameter(torch.zeros(audio["units"], unit_width))

    def forward(self, features_bfm, hidden_bt1, masked_c, targets_c):
        rows_cd = self.encoder(features_bfm, hidden_bt1, self.mask).flatten(0, 1)[masked_c]
        rows_ce = F.normalize(self.projection(rows_cd), dim=-1, eps=1e-8)
        logits_cv = F.linear(rows_ce, F.normalize(self.units, dim=-1, eps=1e-8)) / self.temperature
        return F.cross_entropy(logits_cv, targets_c)


def model(experiment, weights):
    encoder = experiment["model"]["encoder"]
    vit.join(weights, "encoder.layers.", encoder["num_layers"], "attention.")
    return Hubert(encoder, experiment["data"]["audio"], experiment["objective"])


def inputs(batch):
    features_bfm, masked_c = batch["audio.features"], batch["hubert.masked"]
    return {
        "features_bfm": features_bfm,
        "hidden_bt1": batch["hubert.hidden"].view(len(features_bfm), -1, 1),
        "masked_c": masked_c,
        "targets_c": batch["audio.units"].long().flatten()[masked_c],
    }


# The number of hidden rows differs from batch to batch; everything else does not.
main(Case(model, lambda name: name.removeprefix("objective."), inputs, dynamic=None))
