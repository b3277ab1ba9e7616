"""Losses and gradients of torch.nn.CTCLoss for the tests of the CTC loss: prints ctc.txt.

python3 make_ctc.py > ctc.txt     written with PyTorch 2.x on a CPU, in f64

A case is six lines: `case NAME classes blank`, `rows` with the length of each segment, `labels` with the transcripts (segments
separated by |), then `logits`, `loss` (one for each segment) and `gradient` of the sum of losses weighted 1, 2, 3, ….
"""

import torch

CASES = [
    # name, classes, blank, [(rows, labels)]
    ("plain", 5, 0, [(7, [1, 2, 3]), (4, [4, 1])]),
    ("repeats", 4, 0, [(6, [1, 1, 2]), (9, [3, 3, 3]), (5, [2, 2, 1])]),
    ("tight", 4, 3, [(3, [0, 1, 2]), (3, [0, 0]), (1, [2])]),
    ("last-blank", 6, 5, [(12, [0, 1, 2, 3, 4, 0]), (2, [1])]),
    ("empty", 3, 1, [(5, []), (4, [0, 2])]),
    ("long", 11, 0, [(60, [3, 1, 4, 1, 5, 9, 2, 6])]),
]


def show(numbers):
    return " ".join(repr(float(number)) for number in numbers)


torch.manual_seed(5)
for name, classes, blank, segments in CASES:
    lengths = [rows for rows, _ in segments]
    logits = torch.randn(sum(lengths), classes, dtype=torch.float64) * 2
    logits.requires_grad_()
    log_p = logits.log_softmax(-1)
    padded = torch.nn.utils.rnn.pad_sequence(torch.split(log_p, lengths))
    labels = torch.tensor([label for _, labels in segments for label in labels], dtype=torch.long)
    loss = torch.nn.CTCLoss(blank=blank, reduction="none")(
        padded, labels, torch.tensor(lengths), torch.tensor([len(labels) for _, labels in segments])
    )
    (loss * torch.arange(1.0, len(segments) + 1, dtype=torch.float64)).sum().backward()
    print("case", name, classes, blank)
    print("rows", *lengths)
    print("labels", " | ".join(" ".join(map(str, labels)) for _, labels in segments))
    print("logits", show(logits.detach().flatten()))
    print("loss", show(loss.detach()))
    print("gradient", show(logits.grad.flatten()))
