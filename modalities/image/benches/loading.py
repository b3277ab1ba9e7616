"""Pictures a second with torchvision and Pillow, as loading.rs measures them.

    python loading.py FOLDER SIZE [WORKERS]       FOLDER of .jpg files; a DataLoader with so many worker processes

Reads, decodes, crops at random, mirrors, normalises and stacks batches of 64; the best of five rounds of at least two seconds
each, without the time that workers take to start.
"""

import pathlib
import sys
import time

import torch
from PIL import Image
from torchvision import transforms as T

torch.set_num_threads(1)
BATCH, ROUNDS, SECONDS = 64, 5, 2.0


class Pictures(torch.utils.data.Dataset):
    def __init__(self, folder, size):
        self.files = sorted(pathlib.Path(folder).rglob("*.jpg"))
        self.transform = T.Compose([
            T.RandomResizedCrop(size, scale=(0.2, 1.0), ratio=(0.75, 4 / 3), interpolation=T.InterpolationMode.BILINEAR),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize([0.5] * 3, [0.5] * 3),
        ])

    def __len__(self):
        return 1 << 30

    def __getitem__(self, number):
        with Image.open(self.files[number % len(self.files)]) as picture:
            return self.transform(picture.convert("RGB"))


def main():
    folder, size = sys.argv[1], int(sys.argv[2])
    workers = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    data = Pictures(folder, size)
    loader = iter(torch.utils.data.DataLoader(data, batch_size=BATCH, num_workers=workers, prefetch_factor=2 if workers else None))
    for _ in range(8):
        next(loader)
    best = 0.0
    for _ in range(ROUNDS):
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            done += len(next(loader))
        best = max(best, done / (time.perf_counter() - started))
    print(f"bench: pictures size={size} workers={workers} pictures={len(data.files)} a_second={best:.0f}")


main()
