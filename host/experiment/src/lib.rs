//! Experiment files: strict TOML, overrides, the source of every value.
