//! Why a case could not be measured.

use std::path::PathBuf;

/// Why a case could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no Python with what the comparison needs.
    #[error("no Python environment for the comparison: {reason}\n  help: {remedy}")]
    Python {
        /// What went wrong.
        reason: String,
        /// What mends it.
        remedy: String,
    },
    /// A program that was started failed or said something unexpected.
    #[error("{what} failed: {reason}\n  its last words are in {}", log.display())]
    Program {
        /// Which one.
        what: String,
        /// How.
        reason: String,
        /// What it wrote on standard error.
        log: PathBuf,
    },
    /// The sides are not the same model.
    #[error("{case}: {lacuna} parameters in Lacuna, {torch} in PyTorch\n  help: mend benches/python/{case}.py")]
    Parameters {
        /// The case.
        case: String,
        /// Lacuna's number.
        lacuna: u64,
        /// PyTorch's.
        torch: u64,
    },
    /// The sides do not learn alike.
    #[error(
        "{case}: step {step} has loss {lacuna} in Lacuna and {torch} in PyTorch, {difference:.1e} apart where {tolerance:.0e} is \
         allowed\n  help: `python benches/python/{case}.py target/bench/{case} --check` prints every step"
    )]
    Curve {
        /// The case.
        case: String,
        /// The step with the largest difference, from 1.
        step: usize,
        /// Lacuna's loss there.
        lacuna: f64,
        /// PyTorch's.
        torch: f64,
        /// Their relative difference.
        difference: f64,
        /// The largest one allowed.
        tolerance: f64,
    },
    /// The sides do not write the same text.
    #[error("{case}: text {text} differs from its token {token} on, of which {wanted} must agree")]
    Tokens {
        /// The case.
        case: String,
        /// The text, from 0.
        text: usize,
        /// The first token that differs, from 0.
        token: usize,
        /// Tokens that must agree.
        wanted: usize,
    },
    /// What a case gave is not what it should be.
    #[error("{case}: {reason}")]
    Case {
        /// The case, or the thing in it.
        case: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or folder refuses.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of tensors can't be read.
    #[error(transparent)]
    Records(#[from] records::Error),
    /// A product of our own failed.
    #[error(transparent)]
    Compute(#[from] compute::Error),
}

impl Error {
    /// For `map_err` on a file operation.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// What a case gives.
pub type Result<T> = std::result::Result<T, Error>;
