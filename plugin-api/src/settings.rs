//! Settings: what an experiment may say to a plugin.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A table of an experiment file. Derive it: `#[derive(Settings)]`.
///
/// Each field takes `#[setting(…)]` with
/// - `default = 0.15` (also `true`, `"token"`, `[0.9, 0.999]`); a field without one is required, an `Option` may be
///   left out;
/// - `range = 0.01..=0.9` for numbers, or `0.0..1.0` (1 excluded), `1..`; for lists, of each element;
/// - `above = 0.0`, `below = 1.0`: the bound itself is excluded;
/// - `choices = ["token", "word"]` for text; for lists, of each element;
///
/// and is of type `bool`, an integer, `f64`, `f32`, `String`, `Vec<f64>`, `Vec<i64>`, `Vec<String>`, or `Option` of
/// these. The doc comment is what users read.
///
/// ```
/// use plugin_api::prelude::*;
/// /// The `objective` table of an experiment file.
/// #[derive(Settings)]
/// struct MlmSettings {
///     /// Share of eligible tokens to predict.
///     #[setting(default = 0.15, range = 0.01..=0.9)]
///     mask_rate: f64,
/// }
/// let settings = MlmSettings::from_json(&plugin_api::json!({ "mask_rate": 0.3 })).unwrap();
/// assert_eq!(settings.mask_rate, 0.3);
/// let error = MlmSettings::from_json(&plugin_api::json!({ "mask_rate": 2 })).err().unwrap();
/// assert_eq!(error.to_string(), "setting `mask_rate` is 2, which is more than 0.9");
/// ```
pub trait Settings: Sized {
    /// The fields as a JSON array, as the manifest has them.
    const SCHEMA: &'static str;

    /// Checked settings. What is left out gets its default.
    ///
    /// # Errors
    /// When a value is missing, unknown, of another type or out of range.
    fn from_json(value: &Value) -> Result<Self>;
}

/// No settings.
impl Settings for () {
    const SCHEMA: &'static str = "[]";

    fn from_json(value: &Value) -> Result<Self> {
        Reader::new(value, &[]).map(|_| ())
    }
}

pub(crate) fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|error| Error::new("host/settings", format!("the settings are not JSON: {error}")))
}

/// The rules of a field, written by the derive macro.
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// Its default as JSON text.
    pub default: Option<&'static str>,
    /// The least number.
    pub minimum: f64,
    /// The largest number.
    pub maximum: f64,
    /// Whether `minimum` itself is excluded.
    pub minimum_open: bool,
    /// Whether `maximum` itself is excluded.
    pub maximum_open: bool,
    /// The texts allowed, all where empty.
    pub choices: &'static [&'static str],
}

/// Reads fields out of a JSON object.
pub struct Reader<'a> {
    object: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    /// Refuses what is no object or has a key beside `rules`.
    ///
    /// # Errors
    /// As said.
    pub fn new(value: &'a Value, rules: &[Rule]) -> Result<Self> {
        let Value::Object(object) = value else {
            return Err(Error::new("plugin/setting", "the settings are no table").without_place());
        };
        match object.keys().find(|key| rules.iter().all(|rule| rule.name != key.as_str())) {
            None => Ok(Self { object }),
            Some(unknown) => {
                let names: Vec<String> = rules.iter().map(|rule| format!("`{}`", rule.name)).collect();
                let known =
                    if names.is_empty() { "it has none".into() } else { format!("known are {}", names.join(", ")) };
                Err(Error::new("plugin/setting", format!("there is no setting `{unknown}`"))
                    .without_place()
                    .help(known))
            }
        }
    }

    /// The value of a field.
    ///
    /// # Errors
    /// When it is missing, of another type, or against its rules.
    pub fn field<T: Field>(&self, rule: &Rule) -> Result<T> {
        let parsed;
        let value = match (self.object.get(rule.name), rule.default) {
            (Some(value), _) if !value.is_null() || T::OPTIONAL => value,
            (_, Some(default)) => {
                parsed = parse(default)?;
                &parsed
            }
            (_, None) if T::OPTIONAL => &Value::Null,
            _ => return Err(refused(rule, "is missing").help(format!("it is {}", T::WHAT))),
        };
        T::read(value, rule)
    }
}

fn refused(rule: &Rule, fact: impl std::fmt::Display) -> Error {
    Error::setting(rule.name, fact).without_place()
}

fn wrong_type(rule: &Rule, value: &Value, what: &str) -> Error {
    refused(rule, format!("is {value}, which is not {what}"))
}

impl Rule {
    fn check_number(&self, value: f64, shown: &dyn std::fmt::Display) -> Result<()> {
        let fact = if value.is_nan() {
            "which is not a number".to_owned()
        } else if value < self.minimum {
            format!("which is less than {}", self.minimum)
        } else if value > self.maximum {
            format!("which is more than {}", self.maximum)
        } else if self.minimum_open && value <= self.minimum {
            format!("which is not above {}", self.minimum)
        } else if self.maximum_open && value >= self.maximum {
            format!("which is not below {}", self.maximum)
        } else {
            return Ok(());
        };
        Err(refused(self, format!("is {shown}, {fact}")))
    }
}

/// Types of fields.
pub trait Field: Sized {
    /// The type in words.
    const WHAT: &'static str;
    /// Whether it may be left out.
    const OPTIONAL: bool = false;
    /// Reads and checks a value.
    ///
    /// # Errors
    /// When it is of another type or against the rules.
    fn read(value: &Value, rule: &Rule) -> Result<Self>;
}

impl Field for bool {
    const WHAT: &'static str = "true or false";
    fn read(value: &Value, rule: &Rule) -> Result<Self> {
        value.as_bool().ok_or_else(|| wrong_type(rule, value, Self::WHAT))
    }
}

impl Field for f64 {
    const WHAT: &'static str = "a number";
    fn read(value: &Value, rule: &Rule) -> Result<Self> {
        let number = value.as_f64().ok_or_else(|| wrong_type(rule, value, Self::WHAT))?;
        rule.check_number(number, value)?;
        Ok(number)
    }
}

impl Field for f32 {
    const WHAT: &'static str = "a number";
    fn read(value: &Value, rule: &Rule) -> Result<Self> {
        f64::read(value, rule).map(|number| number as Self)
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Field for $integer {
            const WHAT: &'static str = "an integer";
            fn read(value: &Value, rule: &Rule) -> Result<Self> {
                let wide = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
                let wide = wide.ok_or_else(|| wrong_type(rule, value, Self::WHAT))?;
                rule.check_number(wide as f64, value)?;
                Self::try_from(wide).map_err(|_| {
                    refused(rule, format!("is {value}, which is not between {} and {}", Self::MIN, Self::MAX))
                })
            }
        }
    )*};
}
integers! { u8 u16 u32 u64 usize i32 i64 }

impl Field for String {
    const WHAT: &'static str = "a text";
    fn read(value: &Value, rule: &Rule) -> Result<Self> {
        let text = value.as_str().ok_or_else(|| wrong_type(rule, value, Self::WHAT))?;
        if rule.choices.is_empty() || rule.choices.contains(&text) {
            return Ok(text.to_owned());
        }
        let choices: Vec<String> = rule.choices.iter().map(|choice| format!("`{choice}`")).collect();
        Err(refused(rule, format!("is {value}")).help(format!("it is one of {}", choices.join(", "))))
    }
}

impl<T: Field> Field for Vec<T> {
    const WHAT: &'static str = "a list";
    fn read(value: &Value, rule: &Rule) -> Result<Self> {
        let list = value.as_array().ok_or_else(|| wrong_type(rule, value, Self::WHAT))?;
        list.iter().map(|element| T::read(element, rule)).collect()
    }
}

impl<T: Field> Field for Option<T> {
    const WHAT: &'static str = T::WHAT;
    const OPTIONAL: bool = true;
    fn read(value: &Value, rule: &Rule) -> Result<Self> {
        if value.is_null() { Ok(None) } else { T::read(value, rule).map(Some) }
    }
}
