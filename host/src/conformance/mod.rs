//! Conformance: what every plugin has to hold, checked on any plugin without its help.
//!
//! Everything runs in f64 at a tiny size on samples made here, each a text, a picture and a sound at once, so that a difference that is not rounding shows. An objective
//! gets the family `transformer` (or another) for all roles that it asks for, and so does a decoder; a family is run as an encoder. Each check
//! answers in words. A plugin may declare an exemption with a reason in its manifest; the reason is shown then.
//!
//! Finite differences hold the outcomes of `round`, comparisons, sorting and `stop_gradient` at the base point, so that a
//! straight-through gradient written out with `stop_gradient` passes. One given with `custom` has to declare an exemption.

mod batches;
mod decoder;
mod draws;
mod evaluator;
mod family;
mod gradients;
mod library;
mod objective;
mod phases;
mod report;
mod samples;
mod training;
mod world;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use lacuna_abi::name;

use crate::error::{Error, Result};
use crate::loader::{Catalogue, Found, SearchPath};

pub(crate) use report::exemptions;
pub use report::{Finding, Report, Verdict};

/// How a plugin is checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// The family that fills the roles an objective or evaluator asks for.
    pub family: String,
    /// The family that fills the roles which a model made of models asks for; `inner.width=8` is a setting of it.
    pub inner: Option<String>,
    /// Settings that replace defaults: `objective.mask_rate=0.5`, `model.width=8`.
    pub overrides: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { family: "transformer".into(), inner: None, overrides: Vec::new() }
    }
}

/// Checks everything that the plugin `name` provides.
///
/// # Errors
/// When there is no such plugin, it can't be opened, it provides nothing that can be checked, or the family is missing. What
/// does not hold is in the report.
pub fn check(catalogue: &Catalogue, name: &str, options: &Options) -> Result<Report> {
    let found = catalogue.find(name)?;
    let mut report = Report::new(&found.manifest);
    if provides(&found, name::OBJECTIVE) {
        objective::check(catalogue, &found, options, &mut report)?;
    }
    if provides(&found, name::EVALUATOR) {
        evaluator::check(catalogue, &found, options, &mut report)?;
    }
    if provides(&found, name::MODEL) {
        family::check(catalogue, &found, options, &mut report)?;
    }
    if provides(&found, name::DECODER) {
        decoder::check(catalogue, &found, options, &mut report)?;
    }
    if report.findings.is_empty() {
        return Err(Error::new(
            "plugin/nothing-to-check",
            format!("plugin `{name}` provides neither an objective nor an evaluator nor a model nor a decoder"),
        )
        .with_help("see what it provides with `lacuna plugins info`"));
    }
    library::check(&found, &mut report);
    Ok(report)
}

/// For a plugin's own tests: checks the plugin `name`, built beside the running test program.
///
/// Call it from one test of its own file: the suite counts the threads of the process.
///
/// # Panics
/// When the plugin isn't there or a check fails, with the report.
pub fn assert_conforms(name: &str) {
    assert_conforms_with(name, &[]);
}

/// As [`assert_conforms`], with settings that replace defaults: `objective.unit=word`, `model.positions=rotary`.
///
/// # Panics
/// As [`assert_conforms`].
pub fn assert_conforms_with(name: &str, overrides: &[&str]) {
    assert_report(name, Options { overrides: owned(overrides), ..Options::default() });
}

fn owned(overrides: &[&str]) -> Vec<String> {
    overrides.iter().map(|text| (*text).to_owned()).collect()
}

fn assert_report(name: &str, options: Options) {
    // A plugin's living objects are counted whoever made them: tests side by side would count each other's.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    match check(&beside_the_test(), name, &options) {
        Ok(report) if report.holds() => println!("{}", report.to_text()),
        Ok(report) => panic!("{}", report.to_text()),
        Err(error) => panic!("{error}"),
    }
}

/// As [`assert_conforms_with`], with `family` in every role instead of `transformer`.
///
/// # Panics
/// As [`assert_conforms`].
pub fn assert_conforms_in(name: &str, family: &str, overrides: &[&str]) {
    assert_report(name, Options { family: family.into(), inner: None, overrides: owned(overrides) });
}

/// As [`assert_conforms_in`], of a family that is made of models: `inner` fills the roles that it asks for.
///
/// # Panics
/// As [`assert_conforms`].
pub fn assert_conforms_around(name: &str, family: &str, inner: &str, overrides: &[&str]) {
    assert_report(name, Options { family: family.into(), inner: Some(inner.into()), overrides: owned(overrides) });
}

/// The plugins in the folder of the test program (`target/release/deps`, where cargo puts them for tests), then in the one
/// above. For tests of plugins that run more than this suite.
#[must_use]
pub fn beside_the_test() -> Catalogue {
    let folder =
        std::env::current_exe().ok().and_then(|program| program.parent().map(PathBuf::from)).unwrap_or_default();
    let above = folder.parent().map(PathBuf::from).unwrap_or_default();
    Catalogue::read(&SearchPath::in_order(&[folder, above]))
}

fn provides(found: &Found, interface: &str) -> bool {
    found.manifest.provides.iter().any(|provided| provided.interface == interface)
}

/// The settings schema of an interface.
fn schema(found: &Found, interface: &str) -> experiment::Schema {
    let provided = found.manifest.provides.iter().find(|provided| provided.interface == interface);
    provided.and_then(|provided| provided.settings.clone()).unwrap_or_default()
}
