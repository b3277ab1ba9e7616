//! A grid of settings: every combination of some values.

use super::Arm;
use crate::error::Error;
use crate::source::Source;
use crate::table::{Content, Node, parse_value, visible};
use crate::write;

/// One setting and the values it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The setting: `optimizer.learning_rate`.
    pub key: String,
    /// Its values as TOML writes them, at least one.
    pub values: Vec<String>,
}

/// One combination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// What it is called: `learning_rate=0.001 width=64`; empty without a grid.
    pub name: String,
    /// Its settings as overrides.
    pub set: Vec<String>,
}

impl Axis {
    /// Reads `optimizer.learning_rate=[0.001, 0.003]`.
    pub(super) fn parse(text: &str, place: &Source) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Study {
            reason: format!("the line `{}` of `grid` {reason}", visible(text)),
            remedy: "write `section.key=[value, value]`, for instance `optimizer.learning_rate=[0.001, 0.003]`".into(),
            place: place.clone().into(),
        };
        let (key, list) = text.split_once('=').ok_or_else(|| refuse("has no `=`"))?;
        let Some(Node { content: Content::List(items), .. }) = parse_value(list.trim(), place) else {
            return Err(refuse("has no list of values after `=`"));
        };
        if items.is_empty() {
            return Err(refuse("has an empty list of values"));
        }
        let key = key.trim();
        if !key.contains('.') {
            return Err(refuse("names no key of a section"));
        }
        Ok(Self { key: key.into(), values: items.iter().map(write::node).collect() })
    }

    fn short(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or(&self.key)
    }
}

/// All combinations, the last axis running fastest; one empty point without axes.
pub(super) fn points(axes: &[Axis]) -> Vec<Point> {
    axes.iter().fold(vec![Point::default()], |points, axis| {
        let extended = |point: &Point, value: &String| {
            let shown = value.trim_matches('"').replace(|c: char| !c.is_alphanumeric() && !"._-+".contains(c), "-");
            let name = format!("{} {}={shown}", point.name, axis.short()).trim().to_owned();
            let set = point.set.iter().cloned().chain([format!("{}={value}", axis.key)]).collect();
            Point { name, set }
        };
        points.iter().flat_map(|point| axis.values.iter().map(|value| extended(point, value))).collect()
    })
}

/// Each point as an arm of its own.
pub(super) fn arms_of(arms: Vec<Arm>, axes: &[Axis]) -> Vec<Arm> {
    if axes.is_empty() {
        return arms;
    }
    let points = points(axes);
    arms.iter()
        .flat_map(|arm| {
            points.iter().enumerate().map(|(at, point)| Arm {
                name: format!("{} {}", arm.name, point.name),
                point: Some(at),
                stages: arm.stages.clone(),
            })
        })
        .collect()
}
