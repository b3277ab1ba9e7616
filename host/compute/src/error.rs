//! What can go wrong in the core, as data: the operation, the shapes and how to mend it.

use crate::DType;

/// The result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault of the core. `Display` is the one-line fact; [`Error::help`] says how to mend it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Shapes that do not fit the operation.
    #[error("{operation}: {fact}")]
    Shape {
        /// The operation.
        operation: &'static str,
        /// What does not fit, with the shapes.
        fact: String,
        /// How to mend it.
        help: Option<String>,
    },
    /// A dtype the operation does not take.
    #[error("{operation} does not take {dtype}")]
    DType {
        /// The operation.
        operation: &'static str,
        /// The dtype it was given.
        dtype: DType,
        /// Which dtypes it takes.
        help: Option<String>,
    },
    /// An attribute or argument out of its range.
    #[error("{operation}: {fact}")]
    Argument {
        /// The operation.
        operation: &'static str,
        /// What is wrong with which argument.
        fact: String,
    },
    /// A gradient was asked for where none can be had.
    #[error("{operation}: {fact}")]
    Gradient {
        /// The operation.
        operation: &'static str,
        /// Why there is no gradient.
        fact: String,
        /// How to mend it.
        help: Option<String>,
    },
    /// The arithmetic library or the device refused.
    #[error("{operation}: {fact}")]
    Device {
        /// The operation.
        operation: &'static str,
        /// What the library said.
        fact: String,
    },
}

impl Error {
    /// A shape fault.
    pub fn shape(operation: &'static str, fact: impl Into<String>) -> Self {
        Self::Shape { operation, fact: fact.into(), help: None }
    }

    /// An argument out of range.
    pub fn argument(operation: &'static str, fact: impl Into<String>) -> Self {
        Self::Argument { operation, fact: fact.into() }
    }

    /// A missing gradient.
    pub fn gradient(operation: &'static str, fact: impl Into<String>) -> Self {
        Self::Gradient { operation, fact: fact.into(), help: None }
    }

    /// A dtype that the operation does not take.
    pub fn dtype(operation: &'static str, dtype: DType) -> Self {
        Self::DType { operation, dtype, help: None }
    }

    /// The same fault with a line on how to mend it.
    #[must_use]
    pub fn with_help(mut self, text: impl Into<String>) -> Self {
        match &mut self {
            Self::Shape { help, .. } | Self::DType { help, .. } | Self::Gradient { help, .. } => {
                *help = Some(text.into())
            }
            Self::Argument { .. } | Self::Device { .. } => {}
        }
        self
    }

    /// The stable code of this kind of fault.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "tensor/shape",
            Self::DType { .. } => "tensor/dtype",
            Self::Argument { .. } => "tensor/argument",
            Self::Gradient { .. } => "tensor/gradient",
            Self::Device { .. } => "tensor/device",
        }
    }

    /// How to mend it, where that is known.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Shape { help, .. } | Self::DType { help, .. } | Self::Gradient { help, .. } => help.as_deref(),
            Self::Argument { .. } | Self::Device { .. } => None,
        }
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        // The text of candle's errors may hold a backtrace behind the first line.
        let text = error.to_string();
        Self::Device { operation: "tensor", fact: text.lines().next().unwrap_or_default().to_owned() }
    }
}
