//! Reading a `config.json`: values of the right type, and refusals that name the key.

use serde_json::Value as Json;

use crate::error::{Error, Result};

/// A `config.json`. Keys that are null count as left out.
pub struct HuggingFaceConfig<'a>(&'a Json);

impl<'a> HuggingFaceConfig<'a> {
    /// Of the file's content.
    #[must_use]
    pub fn new(config: &'a Json) -> Self {
        Self(config)
    }

    /// The value of `key`, unless it is left out.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a Json> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A whole number that has to be there.
    ///
    /// # Errors
    /// When it is left out or no whole number.
    pub fn count(&self, key: &str) -> Result<u64> {
        let value = self.get(key).ok_or_else(|| Error::data(format!("config.json lacks `{key}`")))?;
        value.as_u64().ok_or_else(|| wrong(key, value, "a whole number"))
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is no whole number.
    pub fn count_or(&self, key: &str, default: u64) -> Result<u64> {
        self.get(key).map_or(Ok(default), |value| value.as_u64().ok_or_else(|| wrong(key, value, "a whole number")))
    }

    /// A whole number that may be negative.
    ///
    /// # Errors
    /// When it is no whole number.
    pub fn whole(&self, key: &str, default: i64) -> Result<i64> {
        self.get(key).map_or(Ok(default), |value| value.as_i64().ok_or_else(|| wrong(key, value, "a whole number")))
    }

    /// A number.
    ///
    /// # Errors
    /// When it is no number.
    pub fn number(&self, key: &str, default: f64) -> Result<f64> {
        self.get(key).map_or(Ok(default), |value| value.as_f64().ok_or_else(|| wrong(key, value, "a number")))
    }

    /// A yes or no.
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool> {
        self.get(key).map_or(Ok(default), |value| value.as_bool().ok_or_else(|| wrong(key, value, "true or false")))
    }

    /// A text.
    ///
    /// # Errors
    /// When it is no text.
    pub fn text(&self, key: &str, default: &'a str) -> Result<&'a str> {
        self.get(key).map_or(Ok(default), |value| value.as_str().ok_or_else(|| wrong(key, value, "a text")))
    }

    /// Our name of an activation.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn activation(&self, key: &str, default: &'a str) -> Result<&'static str> {
        let name = self.text(key, default)?;
        Ok(match name {
            "gelu" | "gelu_python" => "gelu",
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => "gelu_tanh",
            "relu" => "relu",
            "silu" | "swish" => "silu",
            _ => return Err(self.refused(key)),
        })
    }

    /// Whether one of `architectures` ends with one of `endings`.
    #[must_use]
    pub fn is_for(&self, endings: &[&str]) -> bool {
        let names = self.get("architectures").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        names.into_iter().any(|name| endings.iter().any(|ending| name.ends_with(ending)))
    }

    /// Refuses the file where `key` has another value than `expected`.
    ///
    /// # Errors
    /// When it has another value.
    pub fn must_be(&self, key: &str, expected: &Json) -> Result<()> {
        match self.get(key) {
            Some(value) if value != expected => Err(self.refused(key)),
            _ => Ok(()),
        }
    }

    /// The error of a value that this family has no setting for.
    #[must_use]
    pub fn refused(&self, key: &str) -> Error {
        let value = self.get(key).map_or_else(|| "null".to_owned(), Json::to_string);
        Error::unsupported(format!("config.json says `{key}`: {value}, which this family cannot do"))
    }
}

/// Their name of an activation of ours.
#[must_use]
pub fn activation_name(own: &str) -> &str {
    match own {
        "gelu_tanh" => "gelu_pytorch_tanh",
        other => other,
    }
}

fn wrong(key: &str, value: &Json, what: &str) -> Error {
    Error::data(format!("config.json says `{key}`: {value}, which is not {what}"))
}
