//! What the tests of this crate share: a small valid experiment and a way to see it refused.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::Path;

use experiment::{Error, Experiment};

/// Line numbers matter to the tests: `mask_rat = …` appended to this stands on line 10.
pub(crate) const TINY: &str = "[run]\nsteps = 5\n[data.text]\nfiles = ['Cargo.toml']\n[model.encoder]\nfamily = 'transformer'\nwidth = 64\n[objective]\nuse = 'mlm'\n";

pub(crate) const MLM: &str = r#"[
    {"name":"mask_rate","type":"float","default":0.15,"minimum":0.01,"maximum":0.9,"doc":"Share of real tokens to predict."},
    {"name":"masked_share","type":"float","default":0.8,"minimum":0,"maximum":1},
    {"name":"random_share","type":"float","default":0.1,"minimum":0,"maximum":1},
    {"name":"unit","type":"text","default":"token","choices":["token","word","span"]},
    {"name":"limit","type":"integer","optional":true,"minimum":0,"minimum_open":true},
    {"name":"sizes","type":"integers","default":[1,2],"minimum":1},
    {"name":"rates","type":"floats","default":[1,0.5],"maximum":1,"maximum_open":false},
    {"name":"names","type":"texts","default":[]},
    {"name":"dynamic","type":"bool","default":true}
]"#;

pub(crate) const TRANSFORMER: &str = r#"[
    {"name":"width","type":"integer","default":128,"minimum":1},
    {"name":"num_layers","type":"integer","default":4,"minimum":0}
]"#;

pub(crate) fn load(text: &str, overrides: &[&str]) -> Result<Experiment, Error> {
    let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
    Experiment::from_text(text, Path::new("tiny.toml"), &overrides)
}

/// The error of a text that must be refused.
#[track_caller]
pub(crate) fn refusal(text: &str, overrides: &[&str]) -> Error {
    load(text, overrides).expect_err("must be refused")
}
