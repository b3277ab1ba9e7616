//! `report.html`: one file that shows a run, without a network, in light, dark and on paper.

mod chart;
mod export;
mod format;
mod media;
mod page;
mod spread;

use std::fmt::Write;

pub(crate) use chart::Chart;
use chart::{Series, Style, smooth};
pub(crate) use format::title;
pub use format::{count, difference, duration, figure, short};
pub use page::Table;
pub(crate) use page::{escape, page, section};
pub use spread::spread_chart;

use crate::better::Better;
use crate::media::Medium;
use crate::metrics::Row;
use crate::provenance::{FileFacts, Provenance};

/// What a report shows. All of it may be empty.
#[derive(Clone, Debug, Default)]
pub struct Report<'a> {
    /// The run's name.
    pub title: String,
    /// One line below it: what was trained on what, and how it ended.
    pub subtitle: String,
    /// Rows of `metrics.jsonl`. Every metric becomes a chart, the loss first.
    pub metrics: &'a [Row],
    /// Rows of `timings.jsonl`. Every timing becomes a chart.
    pub timings: &'a [Row],
    /// Trainable parameters.
    pub parameters: Option<u64>,
    /// Tokens seen.
    pub tokens: Option<u64>,
    /// Time spent training, in seconds.
    pub seconds: Option<f64>,
    /// Further figures for the top of the page.
    pub cards: Vec<Card>,
    /// Parts that only the host knows: evaluation tables, filled gaps.
    pub sections: Vec<Section>,
    /// The resolved experiment; comments (the sources of the values) are shown paler.
    pub experiment: &'a str,
    /// What the run was made of.
    pub provenance: Option<&'a Provenance>,
}

/// A figure at the top of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// What it is.
    pub label: String,
    /// The figure.
    pub value: String,
    /// A remark below, if any.
    pub note: String,
}

/// A part of the page with a title.
#[derive(Clone, Debug)]
pub struct Section {
    /// The title.
    pub title: String,
    /// What stands below it.
    pub body: Body,
}

/// The content of a [`Section`].
#[derive(Clone, Debug)]
pub enum Body {
    /// HTML that is taken as it is: escape what came from a user.
    Html(String),
    /// A table.
    Table(Table),
    /// Text in a fixed-width type, line for line.
    Preformatted(String),
    /// Paragraphs of plain and marked words: sentences with their gaps filled.
    Lines(Vec<Vec<Span>>),
    /// Pictures and sounds.
    Media(Vec<Medium>),
}

/// Some words in one tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The words.
    pub text: String,
    /// How they look.
    pub tone: Tone,
}

/// How a [`Span`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As running text.
    Plain,
    /// Paler than running text.
    Pale,
    /// Highlighted.
    Marked,
    /// Highlighted as right.
    Good,
    /// Highlighted as wrong.
    Bad,
}

impl Span {
    /// Words in a tone.
    #[must_use]
    pub fn new(text: &str, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    fn to_html(&self) -> String {
        let text = escape(&self.text);
        match self.tone {
            Tone::Plain => text,
            Tone::Pale => format!(r#"<span class="pale">{text}</span>"#),
            Tone::Marked => format!("<mark>{text}</mark>"),
            Tone::Good => format!(r#"<mark class="good">{text}</mark>"#),
            Tone::Bad => format!(r#"<mark class="bad">{text}</mark>"#),
        }
    }
}

impl Body {
    fn to_html(&self) -> String {
        match self {
            Self::Html(html) => html.clone(),
            Self::Table(table) => table.to_html(),
            Self::Media(media) => media::media_html(media),
            Self::Preformatted(text) => format!("<pre>{}</pre>", escape(text)),
            Self::Lines(lines) => {
                let lines: String = lines
                    .iter()
                    .map(|spans| format!("<p>{}</p>", spans.iter().map(Span::to_html).collect::<String>()))
                    .collect();
                format!(r#"<div class="lines">{lines}</div>"#)
            }
        }
    }
}

/// A page of cards and sections about something else than one run.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// One line below it.
    pub subtitle: String,
    /// Figures at the top.
    pub cards: Vec<Card>,
    /// What stands below.
    pub sections: Vec<Section>,
}

impl Page {
    /// The whole page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut body = format!("<h1>{}</h1>\n<p class=\"under\">{}</p>\n", escape(&self.title), escape(&self.subtitle));
        body.push_str(&cards_html(&self.cards));
        for part in &self.sections {
            body.push_str(&section(&part.title, &part.body.to_html()));
        }
        page(&self.title, &body)
    }
}

impl Report<'_> {
    /// The whole page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut body = format!("<h1>{}</h1>\n<p class=\"under\">{}</p>\n", escape(&self.title), escape(&self.subtitle));
        body.push_str(&self.summary());
        body.push_str(&section("Curves", &self.curves()));
        let table = last_values(self.metrics);
        if !table.rows.is_empty() {
            body.push_str(&section("Measured", &table.to_html()));
        }
        for part in &self.sections {
            body.push_str(&section(&part.title, &part.body.to_html()));
        }
        if !self.experiment.is_empty() {
            body.push_str(&section("Experiment", &experiment_html(self.experiment)));
        }
        if let Some(provenance) = self.provenance {
            body.push_str(&section("Provenance", &provenance_html(provenance)));
        }
        page(&self.title, &body)
    }

    fn summary(&self) -> String {
        let mut cards: Vec<Card> = Vec::new();
        let mut add = |label: String, value: String, note: String| cards.push(Card { label, value, note });
        for split in splits(self.metrics) {
            let points = curve(self.metrics, &split, "loss");
            let Some((step, last)) = points.last() else { continue };
            let best = points.iter().filter(|(_, y)| !y.is_nan()).min_by(|a, b| a.1.total_cmp(&b.1));
            let note = match best {
                Some((at, best)) if at != step => format!("best {} at step {at}", figure(*best)),
                _ => "best of the run".into(),
            };
            // The lowest of many noisy batches says nothing.
            let note = if split == "train" { String::new() } else { note };
            add(format!("Final {split} loss"), figure(*last), note);
        }
        if let Some(row) = self.metrics.last() {
            add("Steps".into(), count(row.step), String::new());
        }
        if let Some(tokens) = self.tokens {
            add("Tokens".into(), short_count(tokens), String::new());
        }
        if let Some(seconds) = self.seconds {
            let rate = self.tokens.filter(|_| seconds > 0.0).map(|tokens| tokens as f64 / seconds);
            let note = rate.map(|rate| format!("{} tokens per second", format::short(rate, 3))).unwrap_or_default();
            add("Duration".into(), duration(seconds), note);
        }
        if let Some(parameters) = self.parameters {
            add("Parameters".into(), short_count(parameters), String::new());
        }
        cards.extend(self.cards.iter().cloned());
        cards_html(&cards)
    }

    fn curves(&self) -> String {
        let mut html = String::new();
        for (rows, wide_loss) in [(self.metrics, true), (self.timings, false)] {
            let splits = splits(rows);
            for metric in metric_names(rows).into_iter().filter(|metric| !WITHOUT_CHART.contains(&metric.as_str())) {
                let curves = |metric: &str, name: Option<&str>, colour: usize| -> Vec<Series> {
                    let of =
                        |(at, split): (usize, &String)| drawn(rows, split, metric, name.unwrap_or(split), colour + at);
                    splits.iter().enumerate().flat_map(of).collect()
                };
                let mut series = curves(&metric, None, 0);
                if metric == "loss" {
                    series.extend(curves(BASELINE, Some("unigram"), splits.len()));
                }
                let chart =
                    Chart { title: title(&metric), wide: wide_loss && metric == "loss", series, bands: Vec::new() };
                html.push_str(&chart.to_html().unwrap_or_default());
            }
        }
        if html.is_empty() {
            return r#"<p class="empty">Nothing was measured yet.</p>"#.into();
        }
        format!("<div class=\"charts\">{html}</div>")
    }
}

/// The loss of a unigram model on the targets of the held-out loss: a line in its chart.
const BASELINE: &str = "unigram_loss";

/// What grows with the steps and says nothing as a curve, and what is drawn with another.
pub(crate) const WITHOUT_CHART: [&str; 3] = ["tokens", "seconds", BASELINE];

/// The curve of a metric under a name: smoothed over its raw values where there are many.
pub(crate) fn drawn(rows: &[Row], split: &str, metric: &str, name: &str, colour: usize) -> Vec<Series> {
    const NOISY: usize = 40;
    let points = curve(rows, split, metric);
    if points.is_empty() {
        return Vec::new();
    }
    let strong = |points| Series { name: name.into(), colour, style: Style::Strong, points };
    // A schedule has no noise to smooth away.
    if points.len() < NOISY || split != "train" || metric.contains("learning_rate") {
        return vec![strong(points)];
    }
    let smoothed = smooth(&points);
    vec![Series { style: Style::Faint, ..strong(points) }, strong(smoothed)]
}

/// (step, value) of one metric on one split; of a step measured twice the last.
pub(crate) fn curve(rows: &[Row], split: &str, metric: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for row in rows.iter().filter(|row| row.split == split) {
        let Some(value) = row.get(metric) else { continue };
        let step = row.step as f64;
        match points.last_mut() {
            Some(last) if last.0 == step => last.1 = value,
            _ => points.push((step, value)),
        }
    }
    points
}

/// The splits in order of appearance.
pub(crate) fn splits(rows: &[Row]) -> Vec<String> {
    in_order(rows.iter().map(|row| row.split.as_str()))
}

/// The metrics in order of appearance, the loss first.
pub(crate) fn metric_names(rows: &[Row]) -> Vec<String> {
    let mut names = in_order(rows.iter().flat_map(|row| row.values.iter().map(|(name, _)| name.as_str())));
    names.sort_by_key(|name| name != "loss");
    names
}

fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    names.filter(|name| seen.insert(*name)).map(String::from).collect()
}

fn last_values(rows: &[Row]) -> Table {
    let mut table = Table::new(["metric", "measured on", "first", "last", "best", "at step"]);
    for metric in metric_names(rows) {
        for split in splits(rows) {
            let points = curve(rows, &split, &metric);
            let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
            let best = Better::of(&metric).and_then(|better| better.best(&points));
            let (best, at) = best.map_or(("—".into(), "—".into()), |(at, value)| (figure(value), count(at as u64)));
            table.push([&metric, &split, &figure(first.1), &figure(last.1), &best, &at]);
        }
    }
    table
}

fn cards_html(cards: &[Card]) -> String {
    let inner: String = cards.iter().map(card_html).collect();
    if inner.is_empty() { inner } else { format!("<div class=\"cards\">{inner}</div>\n") }
}

fn card_html(card: &Card) -> String {
    let mut html = format!("<div class=\"card\"><span>{}</span><b>{}</b>", escape(&card.label), escape(&card.value));
    if !card.note.is_empty() {
        let _ = write!(html, "<span>{}</span>", escape(&card.note));
    }
    html.push_str("</div>");
    html
}

fn short_count(value: u64) -> String {
    if value < 10_000 { count(value) } else { format::short(value as f64, 4) }
}

/// TOML with its comments paler; what stands inside quotes is no comment.
fn experiment_html(text: &str) -> String {
    let mut html = String::from("<pre>");
    for line in text.lines() {
        let mut quote = None;
        let comment = line.char_indices().find(|(_, c)| {
            match (quote, c) {
                (None, '#') => return true,
                (None, '"' | '\'') => quote = Some(*c),
                (Some(open), c) if open == *c => quote = None,
                _ => {}
            }
            false
        });
        let (code, aside) = line.split_at(comment.map_or(line.len(), |(at, _)| at));
        html.push_str(&escape(code));
        if !aside.is_empty() {
            let _ = write!(html, r#"<span class="aside">{}</span>"#, escape(aside));
        }
        html.push('\n');
    }
    html.push_str("</pre>");
    html
}

fn provenance_html(provenance: &Provenance) -> String {
    let mut facts = Table::new(["fact", "value"]);
    facts.push(["started", &provenance.started]);
    facts.push(["command", &provenance.command.join(" ")]);
    for (name, value) in &provenance.facts {
        let text = value.as_str().map_or_else(|| value.to_string(), String::from);
        facts.push([&name.replace('_', " "), &text]);
    }
    for resumption in &provenance.resumed {
        facts.push(["resumed", &format!("{} after step {}", resumption.started, resumption.step)]);
    }
    let mut files = Table::new(["kind", "name", "version", "path", "blake3"]);
    let mut add = |kind: &str, file: &FileFacts| {
        // Sixteen digits tell files apart; provenance.json has them all.
        let hash: String = file.blake3.chars().take(16).collect();
        files.rows.push(vec![kind.into(), file.name.clone(), file.version.clone(), file.path.clone(), hash]);
    };
    if !provenance.host.blake3.is_empty() {
        add("host", &provenance.host);
    }
    provenance.plugins.iter().for_each(|file| add("plugin", file));
    provenance.data.iter().for_each(|file| add("data", file));
    let files = if files.rows.is_empty() { String::new() } else { format!("<h3>Files</h3>{}", files.to_html()) };
    format!("{}{files}", facts.to_html())
}

#[cfg(test)]
mod tests;
