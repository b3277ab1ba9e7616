//! Labelled text of fixed forms: CoNLL columns, TREC questions, Brown's `word/tag`, parallel files.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::label::{Record, Tagged, words_of};
use super::text::Lines;
use super::{Flow, LabelKind, Outlet, SourceSettings};
use crate::Error;

/// The files of a folder in the form of SNIPS: words, their tags, the class, line by line.
pub(crate) const PARALLEL: [&str; 3] = ["seq.in", "seq.out", "label"];

/// CoNLL: in each line a token, further columns and its tag between tabs or spaces; an empty line ends a sentence, and
/// `-DOCSTART-` lines are passed over.
pub(super) fn conll(reader: &mut dyn BufRead, settings: &SourceSettings, outlet: &mut Outlet<'_>) -> Flow {
    let token = column(&settings.field, outlet)?.unwrap_or(0);
    let tag = match &settings.label_field {
        Some(name) => column(name, outlet)?,
        None => None,
    };
    let mut lines = Lines::new(reader);
    let mut sentence: Vec<(String, String, u64)> = Vec::new();
    let mut width: Option<(usize, u64)> = None;
    while let Some(line) = lines.next(outlet)? {
        if line.text.trim().is_empty() {
            give(&mut sentence, outlet)?;
            continue;
        }
        if line.text.starts_with("-DOCSTART-") {
            continue;
        }
        let by_tab = line.text.contains('\t');
        let columns: Vec<&str> =
            if by_tab { line.text.split('\t').map(str::trim).collect() } else { words_of(line.text) };
        let (expected, first) = *width.get_or_insert((columns.len(), line.number));
        if columns.len() != expected || columns.len() < 2 {
            let reason = match columns.len() {
                0 | 1 => "a token and its tag are needed, this is one column".to_owned(),
                other => format!("{other} columns, but line {first} has {expected}"),
            };
            return Err(outlet.damaged(line.number, reason).into());
        }
        let tag = tag.unwrap_or(columns.len() - 1);
        let (Some(word), Some(tag)) = (columns.get(token), columns.get(tag)) else {
            let known = (0..columns.len()).map(|number| number.to_string()).collect();
            return Err(outlet.missing(line.number, &token.max(tag).to_string(), known).into());
        };
        sentence.push(((*word).to_owned(), (*tag).to_owned(), line.number));
    }
    give(&mut sentence, outlet)
}

fn give(sentence: &mut Vec<(String, String, u64)>, outlet: &mut Outlet<'_>) -> Flow {
    let sentence = std::mem::take(sentence);
    let words: Vec<Tagged<'_>> = sentence.iter().map(|(word, tag, line)| (&**word, &**tag, *line)).collect();
    outlet.tagged(&words)
}

/// A column's number; the usual name of a field means none.
fn column(name: &str, outlet: &Outlet<'_>) -> Result<Option<usize>, Error> {
    match name.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) if name == "text" => Ok(None),
        Err(_) => Err(outlet.damaged(None, format!("columns have numbers here, from 0, and `{name}` is none"))),
    }
}

/// TREC's questions: `COARSE:fine question`. Latin-1 where a line is not UTF-8, as the published files are.
pub(super) fn trec(reader: &mut dyn BufRead, settings: &SourceSettings, outlet: &mut Outlet<'_>) -> Flow {
    let fine = settings.label_field.as_deref() == Some("fine");
    let mut lines = Lines::of_latin1(reader);
    while let Some(line) = lines.next(outlet)? {
        if line.text.trim().is_empty() {
            continue;
        }
        let found = line.text.split_once(' ').and_then(|(class, text)| Some((class, class.split_once(':')?.0, text)));
        let Some((whole, coarse, text)) = found else {
            return Err(outlet.damaged(line.number, "a line begins with `COARSE:fine` and a space").into());
        };
        let label = if fine { whole } else { coarse };
        let record = Record { text: text.trim().to_owned(), second: None, label: Some(label.to_owned()) };
        outlet.record(line.number, record, Some(LabelKind::Class))?;
    }
    Ok(())
}

/// The Brown corpus: sentences of `word/tag` in each line. `base` as the label's field drops what is added to a tag: `nn-tl`,
/// `np$` and `fw-nn` become `nn`, `np` and `nn`.
pub(super) fn brown(reader: &mut dyn BufRead, settings: &SourceSettings, outlet: &mut Outlet<'_>) -> Flow {
    let base = settings.label_field.as_deref() == Some("base");
    let mut lines = Lines::new(reader);
    while let Some(line) = lines.next(outlet)? {
        let mut words = Vec::new();
        for pair in line.text.split_whitespace() {
            let Some((word, tag)) = pair.rsplit_once('/').filter(|(word, tag)| !word.is_empty() && !tag.is_empty())
            else {
                return Err(outlet.damaged(line.number, format!("`{pair}` is no `word/tag`")).into());
            };
            words.push((word, if base { base_tag(tag) } else { tag }, line.number));
        }
        outlet.tagged(&words)?;
    }
    Ok(())
}

/// A tag without what was added in front of it or behind.
fn base_tag(tag: &str) -> &str {
    let tag = tag.strip_prefix("fw-").unwrap_or(tag);
    let end = tag.char_indices().skip(1).find(|(_, letter)| ['-', '+', '*', '$'].contains(letter));
    end.map_or(tag, |(end, _)| &tag[..end])
}

/// A folder of [`PARALLEL`] files: classes from `label`, or tags from `seq.out`.
pub(super) fn parallel(folder: &Path, settings: &SourceSettings, outlet: &mut Outlet<'_>) -> Flow {
    let tags = settings.label_kind == Some(LabelKind::Tags);
    let [texts, labels] = [PARALLEL[0], PARALLEL[if tags { 1 } else { 2 }]].map(|name| lines_of(&folder.join(name)));
    let (texts, labels) = (texts?, labels?);
    if texts.len() != labels.len() {
        let other = PARALLEL[if tags { 1 } else { 2 }];
        let (least, most) = (texts.len().min(labels.len()), texts.len().max(labels.len()));
        let reason = format!(
            "`{}` has {} lines and `{other}` {}: lines {} to {most} have no partner",
            PARALLEL[0],
            texts.len(),
            labels.len(),
            least + 1
        );
        return Err(outlet.damaged(least as u64 + 1, reason).into());
    }
    for (line, (text, label)) in (1..).zip(texts.into_iter().zip(labels)) {
        if tags {
            outlet.parallel(line, &words_of(&text), &words_of(&label))?;
        } else {
            let record = Record { text: text.trim().to_owned(), second: None, label: Some(label) };
            outlet.record(line, record, Some(LabelKind::Class))?;
        }
    }
    Ok(())
}

fn lines_of(path: &Path) -> Result<Vec<String>, Error> {
    let mut reader = BufReader::new(File::open(path).map_err(Error::io("read", path))?);
    let nowhere = &mut |_| Ok(());
    let outlet = Outlet { file: path.display().to_string().into(), sent: 0, send: nowhere };
    let (mut lines, mut all) = (Lines::new(&mut reader), Vec::new());
    while let Some(line) = lines.next(&outlet)? {
        all.push(line.text.to_owned());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::base_tag;

    #[test]
    fn tags_lose_what_was_added() {
        for (tag, base) in [
            ("nn-tl", "nn"),
            ("np$", "np"),
            ("fw-in+at-hl", "in"),
            ("hvz*", "hvz"),
            ("--", "-"),
            ("*", "*"),
            ("*-hl", "*"),
            ("''", "''"),
            (".", "."),
        ] {
            assert_eq!(base_tag(tag), base, "{tag}");
        }
    }
}
