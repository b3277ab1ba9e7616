//! Schemas from a plugin's manifest: what is read, what is refused, how they print.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::{MLM, TINY, load};
use experiment::{Kind, Schema, Table};

#[test]
fn a_schema_survives_its_own_json() {
    let schema = Schema::from_json(MLM).unwrap();
    assert_eq!(Schema::from_json(&serde_json::to_string(&schema).unwrap()).unwrap(), schema);
    assert_eq!(schema.fields.len(), 9);
    assert_eq!(schema.field("sizes").unwrap().kind, Kind::Integers);
    assert_eq!(schema.field("limit").unwrap().range_in_words(), "more than 0");
    assert_eq!(schema.field("mask_rate").unwrap().range_in_words(), "from 0.01 to 0.9");
    assert!(Schema::from_json("[]").unwrap().fields.is_empty());
    // A newer plugin may say more than this host understands.
    Schema::from_json(r#"[{"name":"a","type":"bool","since":"0.4"}]"#).unwrap();
}

#[test]
fn schemas_that_contradict_themselves() {
    for wrong in [
        "",
        "{}",
        "3",
        "[3]",
        "[{}]",
        r#"[{"name":"a"}]"#,
        r#"[{"name":"a","type":"double"}]"#,
        r#"[{"name":"","type":"bool"}]"#,
        r#"[{"name":"a b","type":"bool"}]"#,
        r#"[{"name":"a","type":"bool"},{"name":"a","type":"bool"}]"#,
        r#"[{"name":"a","type":"bool","default":1}]"#,
        r#"[{"name":"a","type":"integer","default":1.5}]"#,
        r#"[{"name":"a","type":"integer","default":18446744073709551615}]"#,
        r#"[{"name":"a","type":"float","default":2,"maximum":1}]"#,
        r#"[{"name":"a","type":"float","default":1,"maximum":1,"maximum_open":true}]"#,
        r#"[{"name":"a","type":"text","default":"x","choices":["y"]}]"#,
        r#"[{"name":"a","type":"texts","default":"x"}]"#,
        r#"[{"name":"a","type":"integers","default":[1,"x"]}]"#,
        r#"[{"name":"a","type":"bool","default":true,"optional":true}]"#,
    ] {
        assert_eq!(Schema::from_json(wrong).unwrap_err().code(), "config/schema", "{wrong}");
    }
    let taken = Schema::from_json(r#"[{"name":"frozen","type":"bool","default":true}]"#).unwrap();
    let experiment = load(TINY, &[]).unwrap();
    assert_eq!(experiment.model("encoder").unwrap().settings(&taken).unwrap_err().code(), "config/schema");
}

#[test]
fn a_table_is_checked_without_an_experiment() {
    let schema = Schema::from_json(MLM).unwrap();
    assert_eq!(schema.check("objective `mlm`", &Table::empty()).unwrap()["mask_rate"], 0.15);
    let table = Table::parse("\nmask_rate = 2", Path::new("x.toml")).unwrap();
    let error = schema.check("objective `mlm`", &table).unwrap_err();
    assert_eq!(error.to_string(), "objective `mlm`: `mask_rate` = 2 is out of range");
    assert_eq!(error.help().unwrap(), "it must be from 0.01 to 0.9");
    let required = Schema::from_json(r#"[{"name":"a","type":"bool","doc":"Whether."}]"#).unwrap();
    let error = required.check("objective `x`", &Table::empty()).unwrap_err();
    assert_eq!(
        (error.code(), error.help().unwrap().as_str()),
        ("config/missing", "add `a = …`, true or false. Whether.")
    );
}

#[test]
fn settings_print_as_a_table() {
    let text = Schema::from_json(MLM).unwrap().markdown();
    assert!(
        text.contains("| `mask_rate` | number | `0.15` | from 0.01 to 0.9 | Share of real tokens to predict. |"),
        "{text}"
    );
    assert!(text.contains("| `limit` | whole number | not set | more than 0 |"), "{text}");
    let odd = Schema::from_json(r#"[{"name":"a","type":"text","doc":"x | y\nz"}]"#).unwrap().markdown();
    assert!(odd.ends_with("| `a` | text | **required** |  | x \\| y z |\n"), "{odd}");
    assert_eq!(Schema::default().markdown(), "No settings.\n");
}
