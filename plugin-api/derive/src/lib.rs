//! Derive macros of the Lacuna plugin API.

mod attribute;
mod field;
mod json;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result, parse_macro_input};

use field::Field;

/// Schema and checks of a struct of settings; see `plugin_api::Settings`.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn settings(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> Result<Tokens> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "settings are a struct with named fields"));
    };
    let fields = match &data.fields {
        Fields::Named(fields) => fields.named.iter().map(Field::read).collect::<Result<Vec<_>>>()?,
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => {
            return Err(Error::new_spanned(&input.ident, "settings are a struct with named fields"));
        }
    };
    if let Some(parameter) = input.generics.params.first() {
        return Err(Error::new_spanned(parameter, "settings have no parameters"));
    }
    let name = &input.ident;
    let schema = format!("[{}]", fields.iter().map(Field::schema).collect::<Vec<_>>().join(","));
    let rules = fields.iter().map(Field::rule);
    let count = fields.len();
    let reads = fields.iter().enumerate().map(|(index, field)| {
        let identifier = &field.identifier;
        quote! { #identifier: reader.field(&RULES[#index])? }
    });
    Ok(quote! {
        #[automatically_derived]
        impl ::plugin_api::Settings for #name {
            const SCHEMA: &'static str = #schema;

            fn from_json(value: &::plugin_api::Json) -> ::plugin_api::Result<Self> {
                const RULES: [::plugin_api::__private::Rule; #count] = [#(#rules),*];
                #[allow(unused_variables)]
                let reader = ::plugin_api::__private::Reader::new(value, &RULES)?;
                ::core::result::Result::Ok(Self { #(#reads),* })
            }
        }
    })
}
