//! The host's own sections, one file for each: its schema, its typed form, its extra rules.

pub(crate) mod audio;
pub(crate) mod checkpoint;
pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod evaluator;
pub(crate) mod image;
pub(crate) mod model;
pub(crate) mod objective;
pub(crate) mod optimizer;
pub(crate) mod plugin;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod schedule;

use crate::schema::Schema;

/// A section as the reference page shows it.
pub(crate) struct Section {
    /// As it stands in a file, brackets included.
    pub(crate) header: &'static str,
    /// What it is for.
    pub(crate) intro: &'static str,
    pub(crate) schema: Schema,
}

/// Every section of the host, in the order in which people write them.
pub(crate) fn all() -> Vec<Section> {
    let section = |header, intro, schema| Section { header, intro, schema };
    let rules = rules::RULES.iter().map(|rule| section(rule.header, rule.intro, Schema { fields: (rule.fields)() }));
    let mut sections = vec![
        section(run::HEADER, run::INTRO, run::schema()),
        section(data::HEADER, data::INTRO, data::schema()),
        section(image::HEADER, image::INTRO, image::schema()),
        section(audio::HEADER, audio::INTRO, audio::schema()),
        section("[model.<role>]", model::INTRO, model::schema()),
        section(objective::HEADER, objective::INTRO, objective::schema()),
        section(evaluator::HEADER, evaluator::INTRO, evaluator::schema()),
        section(optimizer::HEADER, optimizer::INTRO, optimizer::schema()),
        section(optimizer::GROUP_HEADER, optimizer::GROUP_INTRO, optimizer::group_schema()),
        section(schedule::HEADER, schedule::INTRO, schedule::schema()),
        section(evaluate::HEADER, evaluate::INTRO, evaluate::schema()),
        section(checkpoint::HEADER, checkpoint::INTRO, checkpoint::schema()),
    ];
    let after = sections.iter().position(|section| section.header == optimizer::HEADER).map_or(0, |index| index + 1);
    sections.splice(after..after, rules);
    sections
}

/// A header in words for errors: `` `[run]` ``.
pub(crate) fn in_words(header: &str) -> String {
    format!("`{header}`")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::table::Table;
    use std::path::Path;

    #[test]
    fn every_schema_keeps_its_own_rules_and_explains_every_key() {
        for section in all() {
            let json = serde_json::to_string(&section.schema).unwrap();
            assert_eq!(Schema::from_json(&json).unwrap(), section.schema, "{}", section.header);
            for field in &section.schema.fields {
                assert!(field.doc.ends_with('.') && field.doc.len() > 10, "{} {}", section.header, field.name);
            }
        }
    }

    #[test]
    fn structs_hold_exactly_what_their_schemas_admit() {
        let checked = |schema: Schema, text| {
            schema.check_with_sources("it", &Table::parse(text, Path::new("x")).unwrap(), &[]).unwrap()
        };
        checked(run::schema(), "name = 'x'").typed::<run::Run>();
        checked(data::schema(), "files = ['a']").typed::<data::DataText>();
        checked(image::schema(), "").typed::<image::DataImage>();
        checked(audio::schema(), "").typed::<audio::DataAudio>();
        for rule in rules::RULES {
            let text = format!("use = '{}'", rule.name);
            let table = Table::parse(&text, Path::new("x")).unwrap();
            let checked = optimizer::schema_of(&table).check_with_sources("it", &table, &[]).unwrap();
            let read: optimizer::Optimizer = checked.typed();
            assert_eq!(format!("{:?}", read.kind).to_lowercase(), rule.name);
        }
        checked(optimizer::group_schema(), "match = ['*.bias']").typed::<optimizer::Group>();
        checked(schedule::schema(), "").typed::<schedule::Schedule>();
        checked(evaluate::schema(), "").typed::<evaluate::Evaluate>();
        checked(checkpoint::schema(), "").typed::<checkpoint::Checkpoint>();
    }

    #[test]
    fn every_choice_has_a_variant() {
        for section in all() {
            for field in section.schema.fields.iter().filter(|field| !field.choices.is_empty()) {
                for choice in &field.choices {
                    let required = match section.header {
                        run::HEADER => "name = 'x'\n",
                        data::HEADER => "files = ['a']\n",
                        _ => "",
                    };
                    let text = format!("{required}{} = '{choice}'", field.name);
                    let table = Table::parse(&text, Path::new("x")).unwrap();
                    let checked = section.schema.check_with_sources("it", &table, &[]).unwrap();
                    let read = match section.header {
                        run::HEADER => format!("{:?}", checked.typed::<run::Run>()),
                        data::HEADER => format!("{:?}", checked.typed::<data::DataText>()),
                        image::HEADER => format!("{:?}", checked.typed::<image::DataImage>()),
                        audio::HEADER => format!("{:?}", checked.typed::<audio::DataAudio>()),
                        optimizer::HEADER => format!("{:?}", checked.typed::<optimizer::Optimizer>()),
                        rule if rule.starts_with(optimizer::HEADER) => format!("{:?}", checked.values),
                        schedule::HEADER => format!("{:?}", checked.typed::<schedule::Schedule>()),
                        evaluate::HEADER => format!("{:?}", checked.typed::<evaluate::Evaluate>()),
                        other => panic!("{other} has choices: read it here"),
                    };
                    assert!(!read.is_empty());
                }
            }
        }
    }
}
