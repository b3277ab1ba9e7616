//! Reports: structure, escaping, and runs with nothing in them.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// Tags that close themselves or stay open in HTML and SVG.
const VOID: [&str; 3] = ["meta", "!doctype", "path"];

/// Fails unless every element is closed in order and nothing is fetched.
fn check(html: &str) {
    let mut open: Vec<String> = Vec::new();
    // The style sheet holds no tags.
    let (head, rest) = html.split_once("<style>").unwrap();
    let body = rest.split_once("</style>").unwrap().1;
    for part in format!("{head}{body}").split('<').skip(1) {
        let tag = part.split('>').next().unwrap();
        let name: String = tag.trim_start_matches('/').chars().take_while(|c| !c.is_whitespace()).collect();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()));
        } else if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for fetched in ["http:", "https:", "src=", "url(", "@import", "<script", "<link"] {
        assert!(!html.contains(fetched), "{fetched}");
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for step in 1..=100 {
        let x = step as f64;
        rows.push(
            Row::new(step, "train").with("loss", 9.0 / x.sqrt()).with("learning_rate", 1e-3 / x).with("grad_norm", 1.0),
        );
        if step % 20 == 0 {
            rows.push(Row::new(step, "valid").with("loss", 9.5 / x.sqrt()).with("accuracy", x / 200.0));
        }
    }
    rows
}

#[test]
fn an_empty_run_has_a_page() {
    let html = Report::default().to_html();
    check(&html);
    assert!(html.contains("Nothing was measured yet."));
}

#[test]
fn a_run_shows_its_figures_curves_and_sections() {
    let metrics = rows();
    let timings: Vec<Row> =
        (1..=10).map(|step| Row::new(step * 10, "train").with("tokens_per_second", 4e4 + step as f64)).collect();
    let mut table = Table::new(["task", "accuracy"]);
    table.push(["probe", "0.81"]);
    let report = Report {
        title: "tiny".into(),
        metrics: &metrics,
        timings: &timings,
        parameters: Some(1_234_567),
        tokens: Some(999),
        seconds: Some(125.0),
        sections: vec![Section { title: "Evaluation".into(), body: Body::Table(table) }],
        experiment: "[run]\nname = \"a # b\" # from the file\n",
        ..Report::default()
    };
    let html = report.to_html();
    check(&html);
    for expected in [
        "Final train loss</span><b>0.9000</b></div>",
        "Final valid loss</span><b>0.9500</b><span>best of the run",
        "Steps</span><b>100</b>",
        "<b>1.235M</b>",
        "<b>2 min 5 s</b>",
        "<b>Learning rate</b>",
        "<b>Gradient norm</b>",
        "<b>Tokens per second</b>",
        "<td>probe</td>",
        "name = &quot;a # b&quot; <span class=\"aside\"># from the file</span>",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    assert_eq!(html.matches("<figure").count(), 5);
    assert_eq!(html.matches("line c0 faint").count(), 2, "train loss and gradient norm lie pale behind their average");
}

#[test]
fn whatever_comes_in_is_escaped() {
    let evil = "<script>alert('x')</script>\"";
    let metrics = [Row::new(1, evil).with(evil, 1.0), Row::new(2, evil).with("loss", f64::NAN)];
    let provenance = Provenance {
        started: evil.into(),
        command: vec![evil.into()],
        plugins: vec![FileFacts { name: evil.into(), version: evil.into(), path: evil.into(), blake3: evil.into() }],
        facts: [(evil.to_string(), evil.into())].into_iter().collect(),
        ..Provenance::default()
    };
    let lines = [Tone::Plain, Tone::Pale, Tone::Marked, Tone::Good, Tone::Bad].map(|tone| Span::new(evil, tone));
    let mut table = Table::new([evil]);
    table.push([evil]);
    let body = [Body::Lines(vec![lines.to_vec()]), Body::Preformatted(evil.into()), Body::Table(table)];
    let report = Report {
        title: evil.into(),
        subtitle: evil.into(),
        metrics: &metrics,
        cards: vec![Card { label: evil.into(), value: evil.into(), note: evil.into() }],
        sections: body.map(|body| Section { title: evil.into(), body }).to_vec(),
        experiment: evil,
        provenance: Some(&provenance),
        ..Report::default()
    };
    let html = report.to_html();
    check(&html);
    assert!(html.matches("&lt;script&gt;").count() > 20);
}

#[test]
fn of_a_step_measured_twice_the_last_counts() {
    let rows = [Row::new(1, "a").with("x", 1.0), Row::new(1, "a").with("x", 2.0), Row::new(1, "b").with("x", 3.0)];
    assert_eq!(curve(&rows, "a", "x"), [(1.0, 2.0)]);
    assert_eq!(splits(&rows), ["a", "b"]);
}
