"""The case pictures with torchvision and Pillow: python benches/python/pictures.py ARCHIVE FOLDER SIZE WORKERS

unpacks the JPEG files of ARCHIVE into FOLDER (at SIZE 224 made 640 × 480 first), then answers questions on standard input: a
round reads, decodes, cuts at random, mirrors, normalises and stacks so many pictures in batches of 64. Workers live on between
rounds and have nothing to do there.
"""

import io
import json
import sys
import tarfile
import time
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms as T

BATCH, MOST_FILES = 64, 8192


def unpack(archive, folder, size):
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        members = sorted((m for m in tar if m.isfile() and m.name.endswith(".jpg")), key=lambda m: m.name)
        for place, member in enumerate(members[:MOST_FILES]):
            data = tar.extractfile(member).read()
            target = folder / f"{place:05}.jpg"
            if size == 224:
                Image.open(io.BytesIO(data)).convert("RGB").resize((640, 480), Image.BICUBIC).save(target, quality=90)
            else:
                target.write_bytes(data)


class Pictures(torch.utils.data.Dataset):
    def __init__(self, folder, size):
        self.files = sorted(folder.glob("*.jpg"))
        self.transform = T.Compose([
            T.RandomResizedCrop(size, scale=(0.2, 1.0), ratio=(0.75, 4 / 3), interpolation=T.InterpolationMode.BILINEAR),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize([0.5] * 3, [0.5] * 3),
        ])

    def __getitem__(self, number):
        with Image.open(self.files[number % len(self.files)]) as picture:
            return self.transform(picture.convert("RGB"))


def main():
    archive, folder, size, workers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    unpack(archive, folder, size)
    order = []
    loader = torch.utils.data.DataLoader(
        Pictures(folder, size), batch_size=BATCH, sampler=order, num_workers=workers, persistent_workers=True
    )
    print(json.dumps({"files": len(loader.dataset.files)}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if question["do"] == "stop":
            return
        order[:] = range(question["pictures"])
        begun = time.perf_counter()
        seen = sum(len(batch) for batch in loader)
        print(json.dumps({"seconds": time.perf_counter() - begun, "pictures": seen}), flush=True)


if __name__ == "__main__":
    main()
