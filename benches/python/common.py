"""What the PyTorch side of every training case shares: weights and batches of Lacuna, the step, the talk with the harness.

A case script defines a model and hands it to `main`. It runs in one of two ways:

    python benches/python/mlm-step.py FOLDER --check     trains on Lacuna's batches from Lacuna's weights and compares the losses
    python benches/python/mlm-step.py FOLDER --serve     waits on standard input for what `make bench` asks, one JSON object a line

FOLDER is `target/bench/CASE`, which `make bench` leaves behind: `start/` is a run of no steps (its checkpoint is the untrained
model), `curve/` a run of 50, `batches.safetensors` the batches of its steps as the objective got them.
"""

import argparse
import json
import os
import resource
import sys
import time
import tomllib
from pathlib import Path

THREADS = 2
# Before torch is imported: its pools take their sizes from here.
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
os.environ.setdefault("MKL_NUM_THREADS", str(THREADS))

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

torch.set_num_threads(THREADS)
torch.manual_seed(0)


class Handed:
    """What Lacuna hands over: the settings of the case, the untrained weights, the batches, the losses of the same steps."""

    def __init__(self, folder):
        self.folder = Path(folder)
        with open(self.folder / "start" / "experiment.toml", "rb") as file:
            self.experiment = tomllib.load(file)
        self.weights = load_file(self.folder / "start" / "checkpoints" / "last" / "model.safetensors")
        self.batches = steps_of(load_file(self.folder / "batches.safetensors"))

    def losses(self):
        """The loss of each step of Lacuna's run `curve`."""
        rows = [json.loads(line) for line in open(self.folder / "curve" / "metrics.jsonl")]
        return [row["loss"] for row in rows if row["split"] == "train"]


def steps_of(tensors):
    """`STEP/COLUMN` tensors as a list of dictionaries by column."""
    steps = {}
    for name, tensor in tensors.items():
        step, column = name.split("/", 1)
        steps.setdefault(int(step), {})[column] = tensor
    return [steps[step] for step in range(len(steps))]


def load_weights(model, weights, renamed):
    """Puts Lacuna's weights into `model`; `renamed` gives the module's name for a weight of Lacuna's. Nothing may be left over."""
    state = {renamed(name): tensor for name, tensor in weights.items()}
    own = {name: parameter for name, parameter in model.named_parameters()}
    if set(state) != set(own):
        raise SystemExit(f"weights differ: only in Lacuna {sorted(set(state) - set(own))}, only here {sorted(set(own) - set(state))}")
    with torch.no_grad():
        for name, tensor in state.items():
            if own[name].shape != tensor.shape:
                raise SystemExit(f"{name}: {tuple(tensor.shape)} in Lacuna, {tuple(own[name].shape)} here")
            own[name].copy_(tensor)


def adamw(model, experiment):
    """The optimizer of the experiment: no weight decay on vectors, as Lacuna has none on biases and norms."""
    settings = experiment["optimizer"]
    if settings["clip_norm"] != 0 or experiment["schedule"]["use"] != "constant":
        raise SystemExit("the comparison has no clipping and a constant learning rate on both sides")
    matrices = [p for p in model.parameters() if p.dim() > 1 and not getattr(p, "no_decay", False)]
    kept = {id(p) for p in matrices}
    groups = [
        {"params": matrices, "weight_decay": settings["weight_decay"]},
        {"params": [p for p in model.parameters() if id(p) not in kept], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=settings["learning_rate"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
        fused=True,
    )


class Trainer:
    """A model, its optimizer and its batches, ready to step."""

    def __init__(self, case, folder, compiled):
        self.handed = Handed(folder)
        self.model = case.model(self.handed.experiment, self.handed.weights)
        load_weights(self.model, self.handed.weights, case.renamed)
        self.batches = [case.inputs(batch) for batch in self.handed.batches]
        self.optimizer = adamw(self.model, self.handed.experiment)
        # Shapes that differ from batch to batch must not be compiled anew each time.
        self.loss = torch.compile(self.model, dynamic=case.dynamic) if compiled else self.model

    def parameters(self):
        return sum(parameter.numel() for parameter in self.model.parameters())

    def step(self, number):
        """One training step on batch `number`; the loss."""
        loss = self.loss(**self.batches[number % len(self.batches)])
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def timed(self, steps):
        """Milliseconds of the steps on batches `0..steps`, each with the reading of its loss."""
        spent = []
        for number in range(steps):
            begun = time.perf_counter()
            self.step(number)
            spent.append((time.perf_counter() - begun) * 1e3)
        return spent


class Case:
    """What a case script says of itself."""

    def __init__(self, model, renamed, inputs, dynamic=False):
        # `model(experiment, weights)` makes the module; calling it with a batch's inputs gives the loss.
        self.model = model
        # From a name of Lacuna's to the module's.
        self.renamed = renamed
        # From a batch of Lacuna's to the module's inputs, made before anything is timed.
        self.inputs = inputs
        # Whether shapes differ from batch to batch.
        self.dynamic = dynamic


def peak_mib():
    """Largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def product_milliseconds(products, rounds):
    """Time of matrix products alone, with MKL: Σ times · median. Each is `[times, batch, m, k, n, kind]`.

    `kind` says how the operands lie, as a linear layer has them: `nt` x·Wᵀ, `nn` dY·W, `tn` dYᵀ·X.
    """
    total = 0.0
    for times, batch, m, k, n, kind in products:
        lead = [] if batch == 1 else [batch]
        left = torch.randn(*lead, k, m).transpose(-1, -2) if kind[0] == "t" else torch.randn(*lead, m, k)
        right = torch.randn(*lead, n, k).transpose(-1, -2) if kind[1] == "t" else torch.randn(*lead, k, n)
        multiply = torch.mm if batch == 1 else torch.bmm
        out = multiply(left, right)
        spent = []
        for _ in range(rounds):
            begun = time.perf_counter()
            multiply(left, right, out=out)
            spent.append(time.perf_counter() - begun)
        total += times * sorted(spent)[len(spent) // 2] * 1e3
    return total


def answer(**values):
    print(json.dumps(values), flush=True)


def serve(trainer):
    """Does what each line of standard input asks, one thing at a time; between them the process sleeps."""
    answer(ready=True, parameters=trainer.parameters(), torch=torch.__version__)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "curve":
            answer(losses=[trainer.step(number) for number in range(asked["steps"])])
        elif asked["do"] == "steps":
            answer(milliseconds=trainer.timed(asked["steps"]), mib=peak_mib())
        elif asked["do"] == "products":
            with torch.no_grad():
                answer(milliseconds=product_milliseconds(asked["products"], asked["rounds"]))
        elif asked["do"] == "memory":
            answer(mib=peak_mib())
        else:
            return


def check(trainer):
    """Compares the losses with those of Lacuna, for people."""
    wanted = trainer.handed.losses()
    worst = 0.0
    for number, lacuna in enumerate(wanted):
        loss = trainer.step(number)
        difference = abs(loss - lacuna) / abs(lacuna)
        worst = max(worst, difference)
        print(f"step {number + 1:3}  lacuna {lacuna:.6f}  torch {loss:.6f}  relative difference {difference:.1e}")
    print(f"parameters {trainer.parameters()}, largest relative difference {worst:.1e}")


def main(case):
    parser = argparse.ArgumentParser(description="The PyTorch side of a case of `make bench`.")
    parser.add_argument("folder", help="target/bench/CASE, as `make bench` leaves it")
    parser.add_argument("--serve", action="store_true", help="wait for questions on standard input")
    parser.add_argument("--check", action="store_true", help="train and compare the losses")
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    arguments = parser.parse_args()
    trainer = Trainer(case, arguments.folder, arguments.compile)
    if arguments.check:
        check(trainer)
    if arguments.serve:
        serve(trainer)
