//! Text: raw files in, token ids out.
//!
//! Four steps, each usable alone. [`documents`] reads txt, jsonl, csv, tsv, parquet and tar files, gzip-compressed or
//! not, one [`Document`] at a time. A [`Tokenizer`] is a Hugging Face `tokenizer.json`, the 256 bytes, or trained here on
//! documents. [`prepare`] writes what it makes of them to memory-mapped [`Shards`], once per (files, settings, tokenizer).
//! [`Samples`] cuts the documents to the length of a row. Labels ([`LabelKind`]) and pairs of texts go the same way.
//!
//! Tokenising ahead of training costs disk space (two bytes a token up to 65,536 tokens) and buys data threads that only
//! copy, a sample that can be fetched by number alone, and exact counts before the first step. A document is never mixed
//! with its neighbour here: putting several samples into one row is the business of packing, which knows nothing of text.
//!
//! ```
//! use std::sync::Arc;
//! use modality_text::{SampleSettings, Samples, Shards, SourceSettings, Tokenizer, TokenizerKind, documents, prepare};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let files = [dir.join("corpus.txt")];
//! std::fs::write(&files[0], "The first paragraph of a corpus.\n\nThe second paragraph of the corpus.\n")?;
//! let settings = SourceSettings::default();
//! let texts = documents(&files, &settings).map(|document| Ok(document?.text));
//! let tokenizer = Tokenizer::train(TokenizerKind::WordPiece, 100, texts, true)?;
//!
//! prepare(&files, &settings, &tokenizer, &dir.join("shards"), &mut |documents, tokens| println!("{documents} {tokens}"))?;
//! let shards = Arc::new(Shards::open(dir.join("shards"))?);
//! let cut = SampleSettings { length: 64, add_special: true, minimum: 4 };
//! let samples = Samples::new(shards, tokenizer.vocabulary(), cut)?;
//! assert_eq!(samples.len(), 2);
//! assert_eq!(tokenizer.decode(&samples.get(1).ids, true)?, "the second paragraph of the corpus.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod samples;
mod shard;
mod source;
mod tokenizer;

pub use error::{Error, Result};
pub use samples::{Sample, SampleSettings, Samples};
pub use shard::{
    Labels, NO_TAG, Shards, SourceFile, Starts, Summary, prepare, source_file, write_labelled_shards, write_shards,
};
pub use source::{
    Document, Documents, Format, Label, LabelKind, Origin, SourceSettings, Tag, TextUnit, documents, source_files,
    split_members,
};
pub use tokenizer::{Encoding, Tokenizer, TokenizerKind, Vocabulary};
