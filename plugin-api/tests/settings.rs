//! `#[derive(Settings)]`: schema, defaults, checks.
#![allow(clippy::unwrap_used, reason = "tests")]

use plugin_api::json;
use plugin_api::prelude::*;

#[derive(Debug, PartialEq, Settings)]
struct Odd {
    /// Share of eligible tokens to predict.
    #[setting(default = 0.15, range = 0.01..=0.9)]
    mask_rate: f64,
    /// What is "chosen" together,
    /// with a \ in the text.
    #[setting(default = "token", choices = ["token", "word", "span"])]
    unit: String,
    /// Exactly the share.
    #[setting(default = false)]
    exact: bool,
    /// Longest span.
    #[setting(range = 1..10)]
    span_length: Option<u64>,
    /// Decays.
    #[setting(default = [0.9, 1], range = 0.0..=1.0)]
    betas: Vec<f64>,
    /// Warmth.
    #[setting(default = 1, above = 0.0)]
    temperature: f32,
    /// Shift.
    #[setting(default = -3)]
    shift: i64,
    /// Names.
    #[setting(default = [], choices = ["a", "b"])]
    names: Vec<String>,
    /// Width, no default.
    width: usize,
}

fn read(value: plugin_api::Json) -> Result<Odd> {
    Odd::from_json(&value)
}

#[test]
fn the_schema_says_everything() {
    let schema: plugin_api::Json = Odd::SCHEMA.parse().unwrap();
    let expected = json!([
        { "name": "mask_rate", "type": "float", "default": 0.15, "minimum": 0.01, "maximum": 0.9,
          "doc": "Share of eligible tokens to predict." },
        { "name": "unit", "type": "text", "default": "token", "choices": ["token", "word", "span"],
          "doc": "What is \"chosen\" together, with a \\ in the text." },
        { "name": "exact", "type": "bool", "default": false, "doc": "Exactly the share." },
        { "name": "span_length", "type": "integer", "optional": true, "minimum": 1, "maximum": 9, "doc": "Longest span." },
        { "name": "betas", "type": "floats", "default": [0.9, 1.0], "minimum": 0.0, "maximum": 1.0, "doc": "Decays." },
        { "name": "temperature", "type": "float", "default": 1.0, "minimum": 0.0, "minimum_open": true, "doc": "Warmth." },
        { "name": "shift", "type": "integer", "default": -3, "doc": "Shift." },
        { "name": "names", "type": "texts", "default": [], "choices": ["a", "b"], "doc": "Names." },
        { "name": "width", "type": "integer", "minimum": 0, "doc": "Width, no default." }
    ]);
    assert_eq!(schema, expected);
}

#[test]
fn what_is_left_out_gets_its_default() {
    let read = read(json!({ "width": 128, "mask_rate": null })).unwrap();
    let expected = Odd {
        mask_rate: 0.15,
        unit: "token".into(),
        exact: false,
        span_length: None,
        betas: vec![0.9, 1.0],
        temperature: 1.0,
        shift: -3,
        names: Vec::new(),
        width: 128,
    };
    assert_eq!(read, expected);
}

#[test]
fn what_is_given_is_taken() {
    let given = json!({ "width": 1, "mask_rate": 0.9, "unit": "word", "exact": true, "span_length": 9,
        "betas": [0, 1], "temperature": 0.5, "shift": -9_007_199_254_740_993_i64, "names": ["b", "a"] });
    let read = read(given).unwrap();
    assert_eq!((read.span_length, read.shift), (Some(9), -9_007_199_254_740_993));
    assert_eq!((read.mask_rate, read.unit.as_str(), read.betas), (0.9, "word", vec![0.0, 1.0]));
    assert_eq!(read.names, ["b", "a"]);
}

#[test]
fn refusals_name_the_setting_and_the_rule() {
    let cases = [
        (json!({}), "setting `width` is missing", "it is an integer"),
        (json!({ "width": -1 }), "setting `width` is -1, which is less than 0", ""),
        (json!({ "width": 1.5 }), "setting `width` is 1.5, which is not an integer", ""),
        (json!({ "width": 1, "mask_rate": 0.95 }), "setting `mask_rate` is 0.95, which is more than 0.9", ""),
        (json!({ "width": 1, "mask_rate": "x" }), "setting `mask_rate` is \"x\", which is not a number", ""),
        (json!({ "width": 1, "span_length": 10 }), "setting `span_length` is 10, which is more than 9", ""),
        (json!({ "width": 1, "temperature": 0 }), "setting `temperature` is 0, which is not above 0", ""),
        (json!({ "width": 1, "betas": [0.5, 2] }), "setting `betas` is 2, which is more than 1", ""),
        (json!({ "width": 1, "betas": 0.5 }), "setting `betas` is 0.5, which is not a list", ""),
        (json!({ "width": 1, "unit": "page" }), "setting `unit` is \"page\"", "it is one of `token`, `word`, `span`"),
        (json!({ "width": 1, "names": ["c"] }), "setting `names` is \"c\"", "it is one of `a`, `b`"),
        (json!([]), "the settings are no table", ""),
    ];
    for (given, text, help) in cases {
        let error = read(given.clone()).unwrap_err();
        assert_eq!((error.text(), error.help_text()), (text, help), "{given}");
        assert_eq!(error.code(), "plugin/setting");
    }
    let unknown = read(json!({ "width": 1, "mask_rat": 0.1 })).unwrap_err();
    assert_eq!(unknown.text(), "there is no setting `mask_rat`");
    assert!(unknown.help_text().contains("`mask_rate`, `unit`"), "{}", unknown.help_text());
}

#[derive(Debug, PartialEq, Settings)]
struct Nothing {}

#[test]
fn a_struct_without_fields_takes_an_empty_table() {
    assert_eq!(Nothing::SCHEMA, "[]");
    assert_eq!(Nothing::from_json(&json!({})).unwrap(), Nothing {});
    assert!(Nothing::from_json(&json!({ "a": 1 })).unwrap_err().help_text().contains("has none"));
}
