//! `lacuna import FOLDER`: a Hugging Face folder becomes a model folder.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Common, Outcome, print_json};
use crate::error::{Error, Result};
use crate::huggingface::{ImportOptions, import};
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct ImportArguments {
    /// The Hugging Face folder: config.json, model.safetensors (or its shards), tokenizer files.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The model folder to make; left out, `models/` and the folder's name.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The family to import into, where several know the architecture.
    #[arg(long, value_name = "NAME")]
    family: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &ImportArguments) -> Result<Outcome> {
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => usual_place(&arguments.folder)?,
    };
    let options = ImportOptions { folder: arguments.folder.clone(), out, family: arguments.family.clone() };
    let mut progress = Progress::unknown();
    let imported = import(&options, &common.catalogue(), &mut |done, total| {
        progress.say(&format!("weights: {done} of {total}"));
    });
    progress.finish();
    let imported = imported?;
    if common.json {
        let mut report = imported.report;
        report["out"] = imported.out.display().to_string().into();
        print_json(&report);
    } else {
        imported.lines.iter().for_each(|line| println!("{line}"));
    }
    Ok(Outcome::Done)
}

fn usual_place(folder: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(folder).map_err(|error| Error::file(folder, &error))?;
    let name = whole.file_name().ok_or_else(|| {
        Error::new("config/missing", format!("`{}` has no name to call the model by", folder.display()))
            .with_help("say where the model goes: `--out DIR`")
    })?;
    Ok(Path::new("models").join(name))
}
