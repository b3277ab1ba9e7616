"""The case sounds with torchaudio: python benches/python/sounds.py FOLDER THREADS BINS

answers questions on standard input: a round makes Kaldi filterbanks of the WAV files of FOLDER, decoded by soundfile, the better
way of two to use the threads: torch's own, or one process for each.
"""

import json
import multiprocessing
import sys
import time
from pathlib import Path

import soundfile
import torch

# Only Python of torchaudio is used; it would refuse a torch made for another CUDA before saying so.
torch.version.cuda = None
from torchaudio.compliance import kaldi  # noqa: E402

BINS = int(sys.argv[3])


def frames(path):
    wave, rate = soundfile.read(path, dtype="float32")
    return kaldi.fbank(torch.from_numpy(wave)[None] * 32768, num_mel_bins=BINS, sample_frequency=rate, dither=0.0).shape[0]


def alone():
    torch.set_num_threads(1)


def timed(work):
    begun = time.perf_counter()
    made = sum(work())
    return time.perf_counter() - begun, made


def main():
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    files = sorted(folder.glob("*.wav"))
    torch.set_num_threads(threads)
    with multiprocessing.Pool(threads, initializer=alone) as pool:
        ways = [lambda: [frames(path) for path in files], lambda: pool.map(frames, files, chunksize=1)]
        for way in ways:
            timed(way)
        best = min(ways, key=lambda way: timed(way)[0])
        print(json.dumps({"seconds": sum(soundfile.info(path).duration for path in files)}), flush=True)
        for line in sys.stdin:
            if json.loads(line)["do"] == "stop":
                return
            seconds, made = timed(best)
            print(json.dumps({"seconds": seconds, "frames": made}), flush=True)


if __name__ == "__main__":
    main()
