"""Kaldi filterbanks by torchaudio: python sounds.py FOLDER ROUNDS THREADS prints the median seconds of a round.

Decoded by soundfile, on the better of two ways to use the threads: torch's own, or one process for each.
"""
import multiprocessing
import pathlib
import statistics
import sys
import time

import soundfile
import torch

# Only Python of torchaudio is used; it would refuse a torch made for another CUDA before saying so.
torch.version.cuda = None
from torchaudio.compliance import kaldi  # noqa: E402

folder, rounds, threads = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
files = sorted(folder.glob("*.wav"))


def features(path):
    wave, rate = soundfile.read(path, dtype="float32")
    return kaldi.fbank(torch.from_numpy(wave)[None] * 32768, num_mel_bins=80, sample_frequency=rate, dither=0.0).shape[0]


def alone():
    torch.set_num_threads(1)


def median(work):
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    torch.set_num_threads(threads)
    one = median(lambda: [features(path) for path in files])
    with multiprocessing.Pool(threads, initializer=alone) as pool:
        pool.map(features, files[:threads])
        several = median(lambda: pool.map(features, files, chunksize=1))
    print(min(one, several))
