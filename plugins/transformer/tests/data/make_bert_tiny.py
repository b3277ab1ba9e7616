"""Writes bert-tiny.safetensors: weights, inputs, hidden states and logits of a small random BertForMaskedLM.

Made with torch 2.15.0 and transformers 5.23.0 on a CPU:  python make_bert_tiny.py

Three sequences of 11, 5 and 8 tokens, padded to 11 for the original; the file holds the real rows only, one after the
other, which is how Lacuna computes. Every weight is redrawn wider than BERT starts, so that an error shows.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM

torch.manual_seed(7)
config = BertConfig(
    vocab_size=97,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=72,
    max_position_embeddings=19,
    type_vocab_size=2,
    hidden_act="gelu",
    attn_implementation="eager",
)
model = BertForMaskedLM(config).eval()
with torch.no_grad():
    for name, parameter in model.named_parameters():
        mean = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        parameter.copy_(mean + 0.2 * torch.randn_like(parameter))

lengths = [11, 5, 8]
tokens_bt = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
real_bt = torch.zeros_like(tokens_bt)
for row, length in enumerate(lengths):
    tokens_bt[row, :length] = torch.randint(0, config.vocab_size, (length,))
    real_bt[row, :length] = 1
with torch.no_grad():
    out = model(input_ids=tokens_bt, attention_mask=real_bt, output_hidden_states=True)

real = real_bt.bool()
tensors = {name: value.detach().clone() for name, value in model.named_parameters()}
tensors["input.lengths"] = torch.tensor(lengths, dtype=torch.int64)
tensors["input.tokens"] = tokens_bt[real]
for layer, hidden_btd in enumerate(out.hidden_states):
    tensors["output.embeddings" if layer == 0 else f"output.layers.{layer - 1}"] = hidden_btd[real]
tensors["output.logits"] = out.logits[real]
path = Path(__file__).with_name("bert-tiny.safetensors")
save_file({name: value.contiguous() for name, value in tensors.items()}, path)
print(path, path.stat().st_size)
for name, value in sorted(tensors.items()):
    print(name, tuple(value.shape))
