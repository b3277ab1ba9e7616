"""The case clm-step in PyTorch."""

import llama
from common import Case, main


def inputs(batch):
    texts = batch["text.offsets"].numel() - 1
    return {"tokens_bt": batch["text.tokens"].long().view(texts, -1), "targets_c": batch["targets"]}


main(Case(llama.model, llama.renamed, inputs))
