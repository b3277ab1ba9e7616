//! Text: tokenizers, sources, token shards, packing.
