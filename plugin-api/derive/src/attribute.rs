//! What stands in `#[setting(…)]`.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Field, Ident, Lit, LitStr, Result, Token, bracketed};

/// A literal, or a list of them.
pub(crate) enum Literal {
    Bool(bool),
    Integer(String),
    Float(f64),
    Text(String),
    List(Vec<Literal>),
}

impl Parse for Literal {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(syn::token::Bracket) {
            let content;
            bracketed!(content in input);
            let list = Punctuated::<Self, Token![,]>::parse_terminated(&content)?;
            return Ok(Self::List(list.into_iter().collect()));
        }
        let minus = input.parse::<Option<Token![-]>>()?;
        let sign = if minus.is_some() { "-" } else { "" };
        match input.parse::<Lit>()? {
            Lit::Int(integer) => Ok(Self::Integer(format!("{sign}{}", integer.base10_digits()))),
            Lit::Float(float) => Ok(Self::Float(
                format!("{sign}{}", float.base10_digits())
                    .parse()
                    .map_err(|_| Error::new(float.span(), "this is not a number"))?,
            )),
            Lit::Bool(value) if minus.is_none() => Ok(Self::Bool(value.value)),
            Lit::Str(text) if minus.is_none() => Ok(Self::Text(text.value())),
            other => Err(Error::new(other.span(), "expected true, false, a number, a text, or a list of these")),
        }
    }
}

impl Literal {
    /// Its number.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(digits) => digits.parse().ok(),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }
}

/// A default or a bound, and where it stands.
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A bound of a range.
pub(crate) struct Bound {
    pub(crate) value: f64,
    pub(crate) open: bool,
}

/// Everything in `#[setting(…)]`.
#[derive(Default)]
pub(crate) struct Attribute {
    pub(crate) default: Option<At<Literal>>,
    pub(crate) minimum: Option<At<Bound>>,
    pub(crate) maximum: Option<At<Bound>>,
    pub(crate) choices: Option<At<Vec<String>>>,
}

impl Attribute {
    pub(crate) fn read(field: &Field) -> Result<Self> {
        let mut read = Self::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("setting")) {
            attribute.parse_args_with(|input: ParseStream<'_>| read.keys(input))?;
        }
        Ok(read)
    }

    fn keys(&mut self, input: ParseStream<'_>) -> Result<()> {
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let span = input.span();
            match key.to_string().as_str() {
                "default" => set(&mut self.default, &key, At { value: input.parse()?, span })?,
                "range" => self.range(input, &key)?,
                "above" => {
                    let value = Bound { value: bound(input)?, open: true };
                    set(&mut self.minimum, &key, At { value, span })?;
                }
                "below" => {
                    let value = Bound { value: bound(input)?, open: true };
                    set(&mut self.maximum, &key, At { value, span })?;
                }
                "choices" => {
                    let content;
                    bracketed!(content in input);
                    let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
                    let value: Vec<String> = texts.iter().map(LitStr::value).collect();
                    if value.is_empty() {
                        return Err(Error::new(span, "there must be something to choose from"));
                    }
                    set(&mut self.choices, &key, At { value, span })?;
                }
                _ => {
                    return Err(Error::new(key.span(), "expected `default`, `range`, `above`, `below` or `choices`"));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }

    fn range(&mut self, input: ParseStream<'_>, key: &Ident) -> Result<()> {
        let span = input.span();
        if !input.peek(Token![..]) && !input.peek(Token![..=]) {
            let value = Bound { value: bound(input)?, open: false };
            set(&mut self.minimum, key, At { value, span })?;
        }
        let open = if input.peek(Token![..=]) {
            input.parse::<Token![..=]>()?;
            false
        } else {
            input.parse::<Token![..]>()?;
            true
        };
        if !input.is_empty() && !input.peek(Token![,]) {
            let value = Bound { value: bound(input)?, open };
            set(&mut self.maximum, key, At { value, span })?;
        } else if !open {
            return Err(Error::new(span, "a range with `=` needs an end"));
        }
        if self.minimum.is_none() && self.maximum.is_none() {
            return Err(Error::new(span, "this range allows everything"));
        }
        Ok(())
    }
}

fn bound(input: ParseStream<'_>) -> Result<f64> {
    let span = input.span();
    input.parse::<Literal>()?.number().ok_or_else(|| Error::new(span, "expected a number"))
}

fn set<T>(slot: &mut Option<At<T>>, key: &Ident, value: At<T>) -> Result<()> {
    if slot.is_some() {
        return Err(Error::new(key.span(), "this was said before"));
    }
    *slot = Some(value);
    Ok(())
}

/// Doc comments, one line after the other.
pub(crate) fn docs(field: &Field) -> Result<String> {
    let mut lines = Vec::new();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        // `#[doc = include_str!(…)]` and the like are no literal text and are left out.
        if let Ok(DocText(text)) = syn::parse2(quote::quote!(#attribute)) {
            lines.push(text.trim().to_owned());
        }
    }
    let text = lines.join(" ").trim().to_owned();
    if text.is_empty() {
        return Err(Error::new(field.span(), "a setting needs a doc comment: it is what users read about it"));
    }
    Ok(text)
}

struct DocText(String);

impl Parse for DocText {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        input.parse::<Token![#]>()?;
        let content;
        bracketed!(content in input);
        content.parse::<Ident>()?;
        content.parse::<Token![=]>()?;
        Ok(Self(content.parse::<LitStr>()?.value()))
    }
}
