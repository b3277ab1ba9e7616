//! `lacuna compare RUN RUN …`: runs side by side, those that differ in their seeds as one system.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use records::{Comparison, Group, GroupedComparison, RunData};

use super::{Common, Outcome, print_json};
use crate::error::{Error, Result};

#[derive(Args)]
pub(crate) struct CompareArguments {
    /// Run folders, two or more. Runs that differ in their seeds alone are one group.
    #[arg(value_name = "RUN", required_unless_present = "group")]
    runs: Vec<PathBuf>,
    /// A group of runs under a name. May be given several times.
    #[arg(long, value_name = "NAME=RUN,RUN…")]
    group: Vec<String>,
    /// How groups are tested over seeds: `auto` is `t` below six seeds and `permutation` from there on.
    #[arg(long, value_enum, default_value_t = TestChoice::Auto)]
    test: TestChoice,
    /// Each run for itself, whatever its seed.
    #[arg(long, conflicts_with = "group")]
    ungrouped: bool,
    /// Write a report with overlaid curves to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
}

/// In which form a table is printed.
#[derive(Args)]
#[group(multiple = false)]
pub(super) struct Form {
    /// Print the tables as Markdown.
    #[arg(long)]
    pub(super) markdown: bool,
    /// Print the tables for LaTeX (booktabs).
    #[arg(long)]
    pub(super) latex: bool,
    /// Print every figure with all its digits as CSV.
    #[arg(long)]
    pub(super) csv: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum TestChoice {
    Auto,
    T,
    Permutation,
}

impl From<TestChoice> for records::Test {
    fn from(choice: TestChoice) -> Self {
        match choice {
            TestChoice::Auto => Self::Auto,
            TestChoice::T => Self::Student,
            TestChoice::Permutation => Self::Permutation,
        }
    }
}

pub(super) fn run(common: &Common, arguments: &CompareArguments) -> Result<Outcome> {
    let runs = arguments.runs.iter().map(|folder| RunData::read(folder)).collect::<records::Result<Vec<_>>>()?;
    let named = arguments.group.iter().map(|text| named_group(text)).collect::<Result<Vec<_>>>()?;
    let single =
        |runs: Vec<RunData>| runs.into_iter().map(|run| Group { name: run.name.clone(), runs: vec![run] }).collect();
    let mut groups: Vec<Group> = if arguments.ungrouped { single(runs.clone()) } else { Group::by_seed(runs.clone()) };
    groups.extend(named);
    // With one run for each and nothing known of single items, their curves are all there is to compare.
    let plain = arguments.group.is_empty()
        && (groups.len() == runs.len() && runs.iter().all(|run| run.items.is_empty()) || groups.len() < 2);
    if plain {
        return of_runs(common, arguments, runs);
    }
    let comparison = GroupedComparison::of(groups, arguments.test.into())?;
    write_html(arguments, &|| comparison.to_html())?;
    if common.json {
        print_json(&comparison.to_json());
    } else if arguments.form.markdown {
        print!("{}", comparison.to_markdown());
    } else if arguments.form.latex {
        print!("{}", comparison.to_latex());
    } else if arguments.form.csv {
        print!("{}", comparison.standing.to_csv());
    } else {
        print!("{}", comparison.to_terminal());
    }
    Ok(Outcome::Done)
}

fn of_runs(common: &Common, arguments: &CompareArguments, runs: Vec<RunData>) -> Result<Outcome> {
    let comparison = Comparison::of(runs)?;
    write_html(arguments, &|| comparison.to_html())?;
    if common.json {
        print_json(&comparison.to_json());
    } else if arguments.form.markdown {
        print!("{}", comparison.to_markdown());
    } else if arguments.form.latex {
        print!("{}", comparison.to_latex());
    } else if arguments.form.csv {
        print!("{}", comparison.to_csv());
    } else {
        print!("{}", comparison.to_terminal());
    }
    Ok(Outcome::Done)
}

fn write_html(arguments: &CompareArguments, html: &dyn Fn() -> String) -> Result<()> {
    if let Some(file) = &arguments.html {
        records::write_atomic(file, html().as_bytes())?;
        eprintln!("report: {}", file.display());
    }
    Ok(())
}

/// `NAME=RUN,RUN`.
fn named_group(text: &str) -> Result<Group> {
    let refuse = |reason: &str| {
        Error::new("config/group", format!("`{text}` {reason}")).with_help("write it as `--group NAME=RUN,RUN`")
    };
    let (name, list) = text.split_once('=').ok_or_else(|| refuse("has no `=`"))?;
    let folders: Vec<PathBuf> = list.split(',').filter(|part| !part.is_empty()).map(PathBuf::from).collect();
    if name.is_empty() || folders.is_empty() {
        return Err(refuse("names no group or no run"));
    }
    let runs = folders.iter().map(|folder| RunData::read(folder)).collect::<records::Result<Vec<_>>>()?;
    Ok(Group { name: name.into(), runs })
}
