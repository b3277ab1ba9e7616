//! A field of settings: its type, its schema, its rule.

use proc_macro2::{Ident, TokenStream as Tokens};
use quote::quote;
use syn::{Error, GenericArgument, PathArguments, Result, Type};

use crate::attribute::{At, Attribute, Bound, Literal, docs};
use crate::json::{number, quoted};

/// What a single value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Integer { signed: bool },
    Float,
    Text,
}

/// A field, read and checked.
pub(crate) struct Field {
    pub(crate) identifier: Ident,
    name: String,
    doc: String,
    kind: Kind,
    list: bool,
    optional: bool,
    default: Option<String>,
    minimum: Option<Bound>,
    maximum: Option<Bound>,
    choices: Vec<String>,
}

impl Field {
    pub(crate) fn read(field: &syn::Field) -> Result<Self> {
        let Some(identifier) = field.ident.clone() else {
            return Err(Error::new_spanned(field, "settings have names"));
        };
        let (optional, inner) = strip(&field.ty, "Option");
        let (list, inner) = strip(inner, "Vec");
        let Some(kind) = kind(inner) else {
            return Err(Error::new_spanned(
                &field.ty,
                "a setting is bool, an integer, f64, f32, String, a Vec of these but bool, or an Option of these",
            ));
        };
        if list && kind == Kind::Bool {
            return Err(Error::new_spanned(&field.ty, "there are no lists of truth values in settings"));
        }
        let Attribute { default, minimum, maximum, choices } = Attribute::read(field)?;
        let numbers = matches!(kind, Kind::Integer { .. } | Kind::Float);
        if let Some(At { span, .. }) = minimum.as_ref().or(maximum.as_ref()).filter(|_| !numbers) {
            return Err(Error::new(*span, "only numbers have a range"));
        }
        if let Some(At { span, .. }) = choices.as_ref().filter(|_| kind != Kind::Text) {
            return Err(Error::new(*span, "only texts have choices"));
        }
        if let Some(At { span, .. }) = default.as_ref().filter(|_| optional) {
            return Err(Error::new(*span, "an Option is left out or given; a field with a default needs no Option"));
        }
        let mut read = Self {
            name: identifier.to_string().trim_start_matches("r#").to_owned(),
            identifier,
            doc: docs(field)?,
            kind,
            list,
            optional,
            default: None,
            minimum: None,
            maximum: None,
            choices: choices.map(|choices| choices.value).unwrap_or_default(),
        };
        read.bounds(minimum, maximum)?;
        read.default = default.map(|default| read.checked_default(&default)).transpose()?;
        Ok(read)
    }

    fn bounds(&mut self, minimum: Option<At<Bound>>, maximum: Option<At<Bound>>) -> Result<()> {
        if let Kind::Integer { signed } = self.kind {
            for At { value, span } in minimum.iter().chain(&maximum) {
                if value.value.fract() != 0.0 {
                    return Err(Error::new(*span, "bounds of an integer are integers"));
                }
                if !signed && value.value < 0.0 {
                    return Err(Error::new(*span, "this integer has no sign: its range begins at 0 or later"));
                }
            }
        }
        if let (Some(low), Some(high)) = (&minimum, &maximum)
            && low.value.value > high.value.value
        {
            return Err(Error::new(high.span, "the range is empty"));
        }
        // Integers next to an excluded bound are the same as an included one: said so in the schema.
        let integer = matches!(self.kind, Kind::Integer { .. });
        let closed = |bound: Bound, step: f64| match bound {
            Bound { value, open: true } if integer => Bound { value: value + step, open: false },
            other => other,
        };
        self.minimum = minimum.map(|at| closed(at.value, 1.0));
        self.maximum = maximum.map(|at| closed(at.value, -1.0));
        if self.kind == (Kind::Integer { signed: false }) && self.minimum.is_none() {
            self.minimum = Some(Bound { value: 0.0, open: false });
        }
        Ok(())
    }

    fn checked_default(&self, default: &At<Literal>) -> Result<String> {
        match (&default.value, self.list) {
            (Literal::List(list), true) => {
                let elements = list.iter().map(|element| self.checked_value(element, default));
                Ok(format!("[{}]", elements.collect::<Result<Vec<_>>>()?.join(",")))
            }
            (Literal::List(_), false) => Err(Error::new(default.span, "the default is a list, the field is not")),
            (_, true) => Err(Error::new(default.span, "the default of a list is a list")),
            (value, false) => self.checked_value(value, default),
        }
    }

    fn checked_value(&self, value: &Literal, at: &At<Literal>) -> Result<String> {
        let wrong = |text: &str| Err(Error::new(at.span, text));
        if let Some(number) = value.number() {
            let too_low = self.minimum.as_ref().is_some_and(|b| number < b.value || (b.open && number <= b.value));
            let too_high = self.maximum.as_ref().is_some_and(|b| number > b.value || (b.open && number >= b.value));
            if too_low || too_high {
                return wrong("the default is out of the range");
            }
        }
        match (self.kind, value) {
            (Kind::Bool, Literal::Bool(value)) => Ok(value.to_string()),
            (Kind::Integer { .. }, Literal::Integer(digits)) => Ok(digits.clone()),
            (Kind::Float, Literal::Integer(_) | Literal::Float(_)) => match value.number() {
                Some(value) if value.is_finite() => Ok(number(value, true)),
                _ => wrong("the default is too large"),
            },
            (Kind::Text, Literal::Text(text)) => {
                if self.choices.is_empty() || self.choices.contains(text) {
                    Ok(quoted(text))
                } else {
                    wrong("the default is none of the choices")
                }
            }
            (Kind::Bool, _) => wrong("the default is true or false"),
            (Kind::Integer { .. }, _) => wrong("the default is an integer"),
            (Kind::Float, _) => wrong("the default is a number"),
            (Kind::Text, _) => wrong("the default is a text"),
        }
    }

    fn type_name(&self) -> &'static str {
        match (self.kind, self.list) {
            (Kind::Bool, _) => "bool",
            (Kind::Integer { .. }, false) => "integer",
            (Kind::Integer { .. }, true) => "integers",
            (Kind::Float, false) => "float",
            (Kind::Float, true) => "floats",
            (Kind::Text, false) => "text",
            (Kind::Text, true) => "texts",
        }
    }

    /// The field in the manifest.
    pub(crate) fn schema(&self) -> String {
        let mut text = format!("{{\"name\":{},\"type\":\"{}\"", quoted(&self.name), self.type_name());
        let mut add = |key: &str, value: &str| {
            text.push_str(&format!(",\"{key}\":{value}"));
        };
        if let Some(default) = &self.default {
            add("default", default);
        }
        if self.optional {
            add("optional", "true");
        }
        let float = self.kind == Kind::Float;
        for (key, bound) in [("minimum", &self.minimum), ("maximum", &self.maximum)] {
            if let Some(bound) = bound {
                add(key, &number(bound.value, float));
                if bound.open {
                    add(&format!("{key}_open"), "true");
                }
            }
        }
        if !self.choices.is_empty() {
            let choices: Vec<String> = self.choices.iter().map(|choice| quoted(choice)).collect();
            add("choices", &format!("[{}]", choices.join(",")));
        }
        add("doc", &quoted(&self.doc));
        text.push('}');
        text
    }

    /// The field's `Rule`.
    pub(crate) fn rule(&self) -> Tokens {
        let Self { name, choices, .. } = self;
        let default = match &self.default {
            Some(default) => quote! { ::core::option::Option::Some(#default) },
            None => quote! { ::core::option::Option::None },
        };
        let bound = |bound: &Option<Bound>, missing: Tokens| match bound {
            Some(Bound { value, open }) => (quote! { #value }, *open),
            None => (missing, false),
        };
        let (minimum, minimum_open) = bound(&self.minimum, quote! { f64::NEG_INFINITY });
        let (maximum, maximum_open) = bound(&self.maximum, quote! { f64::INFINITY });
        quote! {
            ::plugin_api::__private::Rule {
                name: #name,
                default: #default,
                minimum: #minimum,
                maximum: #maximum,
                minimum_open: #minimum_open,
                maximum_open: #maximum_open,
                choices: &[#(#choices),*],
            }
        }
    }
}

/// Whether a type is `wrapper<T>`, and T or the type itself.
fn strip<'a>(given: &'a Type, wrapper: &str) -> (bool, &'a Type) {
    if let Type::Path(path) = given
        && let Some(last) = path.path.segments.last()
        && last.ident == wrapper
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(inner)) = arguments.args.first()
    {
        return (true, inner);
    }
    (false, given)
}

fn kind(given: &Type) -> Option<Kind> {
    let Type::Path(path) = given else { return None };
    let last = path.path.segments.last()?;
    Some(match last.ident.to_string().as_str() {
        "bool" => Kind::Bool,
        "u8" | "u16" | "u32" | "u64" | "usize" => Kind::Integer { signed: false },
        "i32" | "i64" => Kind::Integer { signed: true },
        "f32" | "f64" => Kind::Float,
        "String" => Kind::Text,
        _ => return None,
    })
}
