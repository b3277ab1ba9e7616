"""The case start with torch and transformers: from nothing running to the first step of a small BERT on tokenised text.

    python benches/python/start.py TOKENIZER TOKENS --prepare     tokenises the novels into TOKENS
    python benches/python/start.py TOKENIZER TOKENS               loads them and takes one step

The sizes are those of plugins/mlm/experiments/tiny.toml.
"""

import sys
from pathlib import Path

import numpy
import torch
from transformers import BertConfig, BertForMaskedLM, DataCollatorForLanguageModeling, PreTrainedTokenizerFast

LENGTH, ROWS = 64, 32
SPECIAL = {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def prepare(tokenizer, path):
    ids = []
    for file in sorted(Path("tests/data/text/train").glob("*.txt")):
        ids += tokenizer(file.read_text(encoding="utf-8"))["input_ids"]
    rows = len(ids) // LENGTH
    numpy.save(path, numpy.array(ids[: rows * LENGTH], dtype=numpy.int32).reshape(rows, LENGTH))


def main():
    torch.set_num_threads(2)
    torch.manual_seed(0)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=sys.argv[1], **SPECIAL)
    if "--prepare" in sys.argv:
        prepare(tokenizer, sys.argv[2])
        return
    tokens = numpy.load(sys.argv[2], mmap_mode="r")
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForMaskedLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), fused=True)
    order = torch.randperm(len(tokens))[:ROWS].numpy()
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    batch = collate([{"input_ids": tokens[row].tolist()} for row in order])
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    print(f"step 1  loss {loss.item():.3f}", file=sys.stderr, flush=True)


main()
