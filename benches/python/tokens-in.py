"""The case tokens-in with `datasets` and `tokenizers`: text files to shuffled batches of packed rows, as torch tensors.

    python benches/python/tokens-in.py TOKENIZER FOLDER PROCESSES

reads FOLDER/*.txt by paragraphs with an empty cache (HF_HOME), tokenises in PROCESSES processes, joins and cuts the tokens into
rows of 256 as transformers' run_clm.py does, and goes once through a DataLoader of batches of 32. Prints the tokens it saw.
"""

import json
import resource
import sys
from pathlib import Path

LENGTH, ROWS = 256, 32


def main():
    # A script of this kind imports torch; so does the training that follows it.
    import torch
    from datasets import load_dataset
    from transformers import PreTrainedTokenizerFast

    torch.set_num_threads(2)
    torch.manual_seed(0)
    tokenizer_file, folder, processes = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=tokenizer_file, unk_token="[UNK]", pad_token="[PAD]")
    # The length is dealt with below.
    tokenizer.model_max_length = 1 << 30
    files = sorted(str(path) for path in folder.glob("*.txt"))
    texts = load_dataset("text", data_files=files, sample_by="paragraph", split="train")

    def tokenised(examples):
        encoded = tokenizer(examples["text"], return_attention_mask=False, return_token_type_ids=False)
        return {"input_ids": encoded["input_ids"]}

    def grouped(examples):
        ids = [token for text in examples["input_ids"] for token in text]
        last = len(ids) // LENGTH * LENGTH
        rows = [ids[first : first + LENGTH] for first in range(0, last, LENGTH)]
        return {"input_ids": rows, "labels": [row.copy() for row in rows]}

    many = processes if processes > 1 else None
    tokens = texts.map(tokenised, batched=True, num_proc=many, remove_columns=["text"])
    rows = tokens.map(grouped, batched=True, num_proc=many).with_format("torch")
    loader = torch.utils.data.DataLoader(rows, batch_size=ROWS, shuffle=True, drop_last=True)
    seen = 0
    for batch in loader:
        seen += batch["input_ids"].numel()
    # Of several processes the largest; they share pages, so their sum would count some twice.
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"tokens": seen, "mib": largest / 1024}))


if __name__ == "__main__":
    main()
