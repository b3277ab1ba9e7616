"""Makes the files of this folder: one stretch of speech in every format, and what torchaudio makes of it.

    python make.py LJ001-0001.wav        torch 2.15.0, torchaudio 2.11.0, kaldi-native-fbank 1.23.0, soundfile 0.14.0

The speech is 0.4 seconds of "LJ001-0001" of the LJ Speech data set (public domain, keithito.com/LJ-Speech-Dataset). Numbers are
f32, little-endian, in row-major order. kaldi-native-fbank is asked too, so that two implementations agree before a third is
held to them.
"""
import pathlib
import sys

import kaldi_native_fbank as knf
import numpy as np
import soundfile
import torch
import torchaudio

folder = pathlib.Path(__file__).parent
speech, rate = soundfile.read(sys.argv[1], dtype="int16")
speech = speech[int(0.35 * rate) : int(0.75 * rate)]
assert rate == 22050 and speech.ndim == 1
for name, subtype in [("speech.wav", "PCM_16"), ("speech.flac", "PCM_16"), ("speech.ogg", "VORBIS"), ("speech.mp3", "MPEG_LAYER_III")]:
    soundfile.write(folder / name, speech, rate, subtype=subtype)
both = np.stack([speech, -(speech // 2)], axis=1)
soundfile.write(folder / "stereo.flac", both[:4000], rate, subtype="PCM_16")


def keep(name, tensor):
    tensor.contiguous().numpy().astype("<f4").tofile(folder / f"{name}.f32")
    print(name, list(tensor.shape))


wave = torch.from_numpy(speech.astype(np.float32) / 32768)[None]
# In f64: in f32 its convolution is off by 3e-6, which the top bins of a filterbank show as 0.02.
at_16k = torchaudio.functional.resample(wave.double(), rate, 16000).float()
at_8k = torchaudio.functional.resample(wave.double(), rate, 8000).float()
keep("resampled_8000", at_8k[0])
keep("resampled_16000_end", at_16k[0, -1600:])

kaldi = torchaudio.compliance.kaldi
fbank = kaldi.fbank(at_16k * 32768, num_mel_bins=80, sample_frequency=16000, dither=0.0)
keep("fbank_80", fbank)
options = knf.FbankOptions()
options.frame_opts.dither, options.frame_opts.samp_freq, options.mel_opts.num_bins = 0.0, 16000, 80
online = knf.OnlineFbank(options)
online.accept_waveform(16000, (at_16k[0] * 32768).tolist())
online.input_finished()
other = np.stack([online.get_frame(i) for i in range(online.num_frames_ready)])
assert np.abs(other - fbank.numpy()).max() < 1e-3, np.abs(other - fbank.numpy()).max()

keep("fbank_23_unscaled", kaldi.fbank(wave, num_mel_bins=23, sample_frequency=rate, dither=0.0, low_freq=100.0, high_freq=-400.0))

mfcc = kaldi.mfcc(at_16k * 32768, sample_frequency=16000, dither=0.0, use_energy=False).T
slopes = torchaudio.functional.compute_deltas(mfcc)
keep("mfcc_39", torch.cat([mfcc, slopes, torchaudio.functional.compute_deltas(slopes)]).T)

spectrogram = torchaudio.transforms.MelSpectrogram(8000, n_fft=512, win_length=200, hop_length=80, n_mels=40, f_max=4000.0)
keep("log_mel_40", torch.log(spectrogram(at_8k)[0].T + 1e-6))
