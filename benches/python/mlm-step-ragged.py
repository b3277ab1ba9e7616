"""The case mlm-step-ragged in PyTorch: each batch padded to its longest text, padding hidden from attention."""

import bert
from common import Case, main

main(Case(bert.model, bert.renamed, bert.padded, dynamic=True))
