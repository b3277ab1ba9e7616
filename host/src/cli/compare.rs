//! `lacuna compare RUN RUN …`: runs side by side.

use std::path::PathBuf;

use clap::Args;

use super::{Common, Outcome, print_json};
use crate::error::Result;

#[derive(Args)]
pub(crate) struct CompareArguments {
    /// Run folders, two or more.
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Write a report with overlaid curves to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the table as Markdown.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(common: &Common, arguments: &CompareArguments) -> Result<Outcome> {
    let comparison = records::Comparison::read(&arguments.runs)?;
    if let Some(file) = &arguments.html {
        records::write_atomic(file, comparison.to_html().as_bytes())?;
        eprintln!("report: {}", file.display());
    }
    if common.json {
        print_json(&comparison.to_json());
    } else if arguments.markdown {
        print!("{}", comparison.to_markdown());
    } else {
        print!("{}", comparison.to_terminal());
    }
    Ok(Outcome::Done)
}
