//! A fault inside an operation: what a poisoned tensor remembers.

use crate::error::Error;

/// Why a tensor is poisoned. The first one of a call fails that call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The operation, by name.
    pub operation: String,
    /// Each input in words: `f32 [2, 3]`, `mask`, `null`.
    pub inputs: Vec<String>,
    /// A stable code, as [`Error::code`].
    pub code: String,
    /// The fact in one line.
    pub text: String,
    /// How to mend it, where known.
    pub help: Option<String>,
    /// The plugin's file, line and column, where known.
    pub place: Option<(String, u32, u32)>,
    /// The calls it happened in, from the outermost.
    pub frames: Vec<String>,
}

impl Fault {
    /// The fault as an error.
    #[must_use]
    pub fn error(&self) -> Error {
        let mut text = self.text.clone();
        // Most facts of the core name the shapes already.
        if !self.inputs.is_empty() && !self.inputs.iter().any(|input| shape_in(input).is_some_and(|s| text.contains(s)))
        {
            text.push_str(&format!(" (`{}` of {})", self.operation, self.inputs.join(", ")));
        }
        let mut error = Error::new(self.code.clone(), text)
            .with_help(self.help.clone().unwrap_or_default())
            .within(self.frames.clone());
        if let Some((file, line, _)) = &self.place {
            error = error.at(file.clone(), *line);
        }
        error
    }
}

fn shape_in(input: &str) -> Option<&str> {
    input.find('[').map(|start| &input[start..])
}
