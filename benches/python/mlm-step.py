"""The case mlm-step in PyTorch: full rows, so no mask at all."""

import bert
from common import Case, main

main(Case(bert.model, bert.renamed, bert.padded))
