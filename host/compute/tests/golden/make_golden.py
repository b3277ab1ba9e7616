"""Expected numbers of optimizers and spatial operations, from PyTorch (float64). Writes optimizers.txt and spatial.txt.

Each line is a name and its numbers. Inputs are sines, so that the tests can make them again.
"""
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def sines(*shape, phase=0.0):
    count = 1
    for length in shape:
        count *= length
    return torch.sin(torch.arange(count) * 0.7 + phase).reshape(shape)


def write(path, lines):
    with open(path, "w") as file:
        file.write(f"# PyTorch {torch.__version__}, float64; made by make_golden.py\n")
        for name, tensor in lines:
            file.write(name + " " + " ".join(f"{x:.10g}" for x in tensor.flatten().tolist()) + "\n")


def trajectory(make):
    a, b = torch.nn.Parameter(sines(2, 3)), torch.nn.Parameter(sines(3, phase=1.0))
    optimizer = make(a, b)
    for step in range(5):
        a.grad, b.grad = sines(2, 3, phase=0.3 * step), 10 * sines(3, phase=2.0 + step)
        optimizer.step()
    return torch.cat([a.detach().flatten(), b.detach().flatten()])


def optimizers():
    groups = lambda a, b: [{"params": [a]}, {"params": [b], "weight_decay": 0.0}]
    yield "adamw", trajectory(lambda a, b: torch.optim.AdamW(groups(a, b), lr=0.1, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1))
    for name, nesterov, momentum in [("sgd", False, 0.0), ("sgd_momentum", False, 0.9), ("sgd_nesterov", True, 0.9)]:
        yield name, trajectory(lambda a, b: torch.optim.SGD(groups(a, b), lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=0.1))


def spatial():
    x, w = sines(2, 4, 5, 4), sines(6, 2, 3, 2, phase=0.5)
    yield "conv2d", F.conv2d(x, w, sines(6), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
    yield "conv1d", F.conv1d(sines(2, 3, 8), sines(4, 3, 3, phase=0.5), stride=2, padding=1)
    w = sines(4, 3, 3, 2, phase=0.5)
    yield "conv_transpose2d", F.conv_transpose2d(x, w, sines(6), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2)
    yield "conv_transpose1d", F.conv_transpose1d(sines(2, 3, 5), sines(3, 2, 4, phase=0.5), stride=2, padding=1, dilation=2)
    yield "max_pool2d", F.max_pool2d(x, (3, 2), stride=(2, 1), padding=(1, 1))
    yield "avg_pool2d_counted", F.avg_pool2d(x, (3, 2), stride=(2, 1), padding=(1, 1), count_include_pad=True)
    yield "avg_pool2d", F.avg_pool2d(x, (3, 2), stride=(2, 1), padding=(1, 1), count_include_pad=False)
    yield "adaptive_avg_pool2d", F.adaptive_avg_pool2d(x, (3, 3))
    yield "upsample_nearest2d", F.interpolate(x, (7, 3), mode="nearest")
    yield "upsample_bilinear", F.interpolate(x, (7, 3), mode="bilinear", align_corners=False)
    yield "upsample_bilinear_corners", F.interpolate(x, (7, 3), mode="bilinear", align_corners=True)
    yield "upsample_linear", F.interpolate(sines(2, 3, 5), 13, mode="linear", align_corners=False)


write("optimizers.txt", optimizers())
write("spatial.txt", spatial())
