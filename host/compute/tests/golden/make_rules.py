"""Expected weights after five steps of optimizers, from public implementations in float64. Writes rules.txt.

LAMB: timm 1.0.31. Adafactor: transformers 5.23.0. Lion: lion-pytorch 0.2.5. Muon: torch.optim.Muon of PyTorch 2.15.0, whose
iteration runs in bfloat16; `muon` has it in float64, `muon_bfloat16` as it is. Inputs are sines, as in make_golden.py.
"""
import importlib.metadata
import importlib.util
import os
import sys
import types

import torch
from lion_pytorch import Lion
from transformers.optimization import Adafactor


def lamb_of_timm():
    # The package as a whole wants torchvision.
    base = os.path.dirname(importlib.util.find_spec("timm").origin)
    for name, path in [("timm", base), ("timm.optim", os.path.join(base, "optim"))]:
        module = types.ModuleType(name)
        module.__path__ = [path]
        sys.modules[name] = module
    from timm.optim.lamb import Lamb

    return Lamb


torch.set_default_dtype(torch.float64)
Lamb = lamb_of_timm()


def sines(*shape, phase=0.0):
    count = 1
    for length in shape:
        count *= length
    return torch.sin(torch.arange(count) * 0.7 + phase).reshape(shape)


def trajectory(make, shape=(2, 3), scale=1.0):
    a, b = torch.nn.Parameter(scale * sines(*shape)), torch.nn.Parameter(sines(3, phase=1.0))
    optimizers = make(a, b)
    for step in range(5):
        a.grad, b.grad = sines(*shape, phase=0.3 * step), 10 * sines(3, phase=2.0 + step)
        for optimizer in optimizers:
            optimizer.step()
    return torch.cat([a.detach().flatten(), b.detach().flatten()])


def groups(a, b):
    return [{"params": [a]}, {"params": [b], "weight_decay": 0.0}]


def lamb(**more):
    return lambda a, b: [
        Lamb(groups(a, b), lr=0.1, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1, max_grad_norm=None, foreach=False, **more)
    ]


def adafactor(lr=None, **more):
    return lambda a, b: [Adafactor(groups(a, b), lr=lr, weight_decay=0.1, **more)]


def muon(adjust, precision):
    def make(a, b):
        adamw = torch.optim.AdamW([b], lr=0.1, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0)
        return [torch.optim.Muon([a], lr=0.1, weight_decay=0.1, momentum=0.9, adjust_lr_fn=adjust), adamw]

    def run(shape):
        kept, torch.bfloat16 = torch.bfloat16, precision
        try:
            return trajectory(make, shape)
        finally:
            torch.bfloat16 = kept

    return run


def rules():
    yield "lamb", trajectory(lamb())
    yield "lamb_large", trajectory(lamb(), scale=4.0)
    yield "lamb_clipped", trajectory(lamb(trust_clip=True), scale=4.0)
    yield "lion", trajectory(lambda a, b: [Lion(groups(a, b), lr=0.1, betas=(0.9, 0.99), weight_decay=0.1)])
    yield "adafactor", trajectory(adafactor(0.1, relative_step=False))
    yield "adafactor_plain", trajectory(adafactor(0.1, relative_step=False, scale_parameter=False, clip_threshold=0.5))
    yield "adafactor_first", trajectory(adafactor(0.1, relative_step=False, beta1=0.9, decay_rate=-0.5))
    yield "adafactor_relative", trajectory(adafactor(relative_step=True))
    yield "adafactor_warmup", trajectory(adafactor(relative_step=True, warmup_init=True))
    bfloat16 = torch.bfloat16
    yield "muon", muon("original", torch.float64)((2, 3))
    yield "muon_tall", muon("original", torch.float64)((3, 2))
    yield "muon_matched", muon("match_rms_adamw", torch.float64)((3, 2))
    yield "muon_bfloat16", muon("original", bfloat16)((3, 2))


with open("rules.txt", "w") as file:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ["torch", "timm", "transformers", "lion-pytorch"])
    file.write(f"# {versions}; made by make_rules.py\n")
    for name, tensor in rules():
        file.write(name + " " + " ".join(f"{x:.10g}" for x in tensor.flatten().tolist()) + "\n")
