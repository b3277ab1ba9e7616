//! Overrides from the command line: `section.key=value`.

use std::sync::Arc;

use crate::error::Error;
use crate::source::Source;
use crate::table::{Content, Node, Table, parse_value, visible};

/// The lists of sections that an override may begin or lengthen: `evaluate.0.every_steps=100`.
const LISTS: [&str; 2] = ["evaluate", "optimizer.group"];

impl Table {
    /// The section that arguments `key=value`, or `section.key=value`, make by themselves.
    ///
    /// # Errors
    /// [`Error::Override`] for an argument without `=`, or with a broken value.
    pub fn of_arguments(section: &str, arguments: &[String]) -> Result<Self, Error> {
        let mut root = Self::empty();
        let inside = format!("{section}.");
        for argument in arguments {
            let name = argument.strip_prefix(&inside).unwrap_or(argument);
            apply_one(&mut root, &format!("{inside}{name}"))?;
        }
        Ok(match root.get(section).map(|node| node.content.clone()) {
            Some(Content::Table(table)) => table,
            _ => Self::empty(),
        })
    }
}

/// Sets what each argument names, later ones over earlier ones.
///
/// # Errors
/// [`Error::Override`] for an argument without `=`, without a section, with a broken value, or past the end of a list.
pub(crate) fn apply(root: &mut Table, arguments: &[String]) -> Result<(), Error> {
    arguments.iter().try_for_each(|argument| apply_one(root, argument))
}

fn apply_one(root: &mut Table, argument: &str) -> Result<(), Error> {
    let refuse = |reason: String, remedy: &str| Error::Override {
        argument: visible(argument),
        reason,
        remedy: remedy.to_owned(),
    };
    let example = "write it as `section.key=value`, for instance `run.seed=3`";
    let (path, text) = argument.split_once('=').ok_or_else(|| refuse("it has no `=`".into(), example))?;
    let steps: Vec<&str> = path.split('.').map(str::trim).collect();
    let is_name = |step: &&str| !step.is_empty() && step.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if !steps.iter().all(is_name) {
        return Err(refuse(format!("`{}` is not a path of keys", visible(path)), example));
    }
    if steps.len() < 2 {
        return Err(refuse(format!("`{path}` names no key of a section"), example));
    }

    let source = Source::CommandLine { argument: Arc::from(visible(argument)) };
    let text = text.trim();
    let value = match parse_value(text, &source) {
        Some(value) => value,
        None if text.is_empty() => {
            return Err(refuse("it has no value".into(), &format!("for an empty text write `{path}=\"\"`")));
        }
        None if text.starts_with(['"', '\'', '[', '{']) => {
            let remedy =
                "close every quotation mark and bracket; the shell may eat them: put the argument in single quotes";
            return Err(refuse("its value is not valid TOML".into(), remedy));
        }
        None => Node { content: Content::Text(text.to_owned()), source: source.clone() },
    };

    put(root, &steps, 0, value).map_err(|(depth, reason)| {
        let reached = steps[..depth].join(".");
        refuse(format!("`{reached}` {reason}"), "look at the experiment file for what stands there")
    })
}

/// Sets `steps[depth..]` below `table`; fails with how far it got and why not further.
fn put(table: &mut Table, steps: &[&str], depth: usize, value: Node) -> Result<(), (usize, String)> {
    let name = steps[depth];
    if depth + 1 == steps.len() {
        table.set(name, value);
        return Ok(());
    }
    if table.get(name).is_none() {
        let begins_list =
            LISTS.contains(&steps[..=depth].join(".").as_str()) && steps[depth + 1].parse::<usize>().is_ok();
        let source = value.source.clone();
        let content =
            if begins_list { Content::List(Vec::new()) } else { Content::Table(Table::absent(source.clone())) };
        table.set(name, Node { content, source });
    }
    let node = table.get_mut(name).expect("set just now if it was not there");
    put_in_node(node, steps, depth + 1, value)
}

fn put_in_node(node: &mut Node, steps: &[&str], depth: usize, value: Node) -> Result<(), (usize, String)> {
    match &mut node.content {
        Content::Table(table) => put(table, steps, depth, value),
        Content::List(items) => {
            let count = items.len();
            let Some(index) = steps[depth].parse::<usize>().ok().filter(|&index| index <= count) else {
                return Err((depth, format!("has {count} entries: the next key is a number, {count} adds an entry")));
            };
            if depth + 1 == steps.len() {
                // The list as a whole is no longer what the file says.
                node.source = value.source.clone();
                if index == count {
                    items.push(value)
                } else {
                    items[index] = value
                }
                return Ok(());
            }
            if index == count {
                let source = value.source.clone();
                items.push(Node { content: Content::Table(Table::absent(source.clone())), source });
            }
            put_in_node(&mut items[index], steps, depth + 1, value)
        }
        _ => Err((depth, format!("is {}, not a section", node.in_words()))),
    }
}
