//! Line charts as inline SVG: colours come from the page, so that they follow light, dark and print.

use std::fmt::Write;

use super::format::{figure, short};
use super::page::escape;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A strong line; few points are marked.
    Strong,
    /// A thin pale line behind the others, without an entry in the legend.
    Faint,
}

/// One curve.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Position in the page's palette.
    pub(crate) colour: usize,
    pub(crate) style: Style,
    /// (step, value); values that are not finite leave a gap.
    pub(crate) points: Vec<(f64, f64)>,
}

/// The room between two curves.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    /// Position in the page's palette.
    pub(crate) colour: usize,
    /// (step, low, high); values that are not finite leave a gap.
    pub(crate) points: Vec<(f64, f64, f64)>,
}

/// A chart of curves over steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// Across the page, or half of it.
    pub(crate) wide: bool,
    pub(crate) series: Vec<Series>,
    pub(crate) bands: Vec<Band>,
}

/// How many colours the page has.
pub(crate) const COLOURS: usize = 8;
/// Beyond this many points a line is thinned to what the eye can tell apart.
const MARKED: usize = 60;

const TOP: f64 = 12.0;
const RIGHT: f64 = 18.0;
const BOTTOM: f64 = 44.0;

struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// The axis over all values; one of whole numbers ends at its data and has no ticks between them.
    fn over(values: impl Iterator<Item = f64>, wanted: usize, whole: bool) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            return None;
        }
        let positive = low >= 0.0;
        if high - low <= low.abs().max(high.abs()) * 1e-9 {
            let room = if whole || low == 0.0 { 1.0 } else { low.abs() * 0.05 };
            (low, high) = (low - room, high + room);
        } else if !whole {
            let room = (high - low) * 0.05;
            (low, high) = (low - room, high + room);
        }
        if positive {
            low = low.max(0.0);
        }
        Some(Self { ticks: ticks(low, high, wanted, whole), low, high })
    }

    fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        from + (value - self.low) / (self.high - self.low) * (to - from)
    }
}

/// Round numbers from `low` to `high`, about `wanted` of them, with labels that tell them apart.
fn ticks(low: f64, high: f64, wanted: usize, whole: bool) -> Vec<(f64, String)> {
    let rough = ((high - low) / wanted as f64).max(if whole { 1.0 } else { 0.0 });
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough * 0.75 && (!whole || step.fract() == 0.0));
    let Some(step) = step.filter(|step| step.is_normal()) else { return Vec::new() };
    let first = (low / step).ceil();
    let largest = low.abs().max(high.abs());
    (0..=2 * wanted)
        .map(|index| (first + index as f64) * step)
        .take_while(|value| *value <= high + step * 1e-9)
        .map(|value| (value, label(value, step, largest)))
        .collect()
}

fn label(value: f64, step: f64, largest: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".into();
    }
    if (1e4..1e15).contains(&largest) {
        let digits = (largest / step).log10().ceil() as usize + 1;
        return short(value, digits.max(3));
    }
    if !(1e-2..1e15).contains(&largest) || step < 1e-5 {
        let exponent = largest.log10().floor() as i32;
        let decimals = (exponent - step.log10().floor() as i32).clamp(0, 6) as usize;
        // 2.5 needs a digit more than its power of ten tells.
        let quarter = usize::from((step / 10f64.powf(step.log10().floor()) - 2.5).abs() < 1e-6);
        return format!("{:.*}e{exponent}", decimals + quarter, value / 10f64.powi(exponent)).replacen(
            '-',
            "−",
            usize::from(value < 0.0),
        );
    }
    let quarter = i32::from((step / 10f64.powf(step.log10().floor()) - 2.5).abs() < 1e-6);
    let decimals = (quarter - step.log10().floor() as i32).max(0) as usize;
    format!("{value:.decimals$}").replace('-', "−")
}

impl Chart {
    /// The chart as an HTML `figure`; nothing when no value is finite.
    pub(crate) fn to_html(&self) -> Option<String> {
        let all = || self.series.iter().flat_map(|series| &series.points).filter(drawable);
        let (width, height) = if self.wide { (1080.0, 380.0) } else { (530.0, 280.0) };
        let x = Axis::over(all().map(|point| point.0), if self.wide { 9 } else { 5 }, true)?;
        let edges = self
            .bands
            .iter()
            .flat_map(|band| &band.points)
            .filter(|point| whole(point))
            .flat_map(|point| [point.1, point.2]);
        let y = Axis::over(all().map(|point| point.1).chain(edges), if self.wide { 7 } else { 5 }, false)?;
        let widest = y.ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
        let left = 18.0 + 7.6 * widest as f64;
        let (right, bottom) = (width - RIGHT, height - BOTTOM);

        let mut svg = format!(
            r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{}">"#,
            escape(&format!("{} over steps", self.title))
        );
        for (value, label) in &y.ticks {
            let at = y.place(*value, bottom, TOP);
            let _ = write!(svg, r#"<path class="grid" d="M{left:.1} {at:.1}H{right:.1}"/>"#);
            let _ = write!(svg, r#"<text class="tick end" x="{:.1}" y="{:.1}">{label}</text>"#, left - 8.0, at + 4.5);
        }
        for (value, label) in &x.ticks {
            let at = x.place(*value, left, right);
            // The last label would hang over the edge if it stood in the middle of its tick.
            let end = if at + 4.0 * label.chars().count() as f64 > width { " end" } else { "" };
            let _ = write!(svg, r#"<path class="axis" d="M{at:.1} {bottom:.1}v5"/>"#);
            let _ = write!(svg, r#"<text class="tick mid{end}" x="{at:.1}" y="{:.1}">{label}</text>"#, bottom + 20.0);
        }
        let _ = write!(svg, r#"<path class="axis" d="M{left:.1} {bottom:.1}H{right:.1}"/>"#);
        let _ = write!(
            svg,
            r#"<text class="tick mid" x="{:.1}" y="{:.1}">step</text>"#,
            (left + right) / 2.0,
            height - 5.0
        );

        for band in &self.bands {
            shade(&mut svg, band, |step, value| (x.place(step, left, right), y.place(value, bottom, TOP)));
        }
        let mut order: Vec<&Series> = self.series.iter().collect();
        order.sort_by_key(|series| series.style == Style::Strong);
        for series in order {
            let place = |point: &(f64, f64)| (x.place(point.0, left, right), y.place(point.1, bottom, TOP));
            draw(&mut svg, series, place);
        }
        svg.push_str("</svg>");

        let mut html = format!("<figure{}>", if self.wide { r#" class="wide""# } else { "" });
        let _ = write!(html, "<figcaption><b>{}</b>{}</figcaption>", escape(&self.title), self.legend());
        html.push_str(&svg);
        let missing = self.series.iter().flat_map(|series| &series.points).filter(|point| !drawable(point)).count();
        if missing > 0 {
            let plural = if missing == 1 { "value is" } else { "values are" };
            let _ = write!(html, r#"<p class="note">{missing} {plural} not finite, or too large to draw.</p>"#);
        }
        html.push_str("</figure>");
        Some(html)
    }

    fn legend(&self) -> String {
        let mut html = String::new();
        for series in self.series.iter().filter(|series| series.style == Style::Strong && !series.name.is_empty()) {
            let (colour, name) = (series.colour % COLOURS, escape(&series.name));
            let _ = write!(html, r#"<span class="key"><i class="k{colour}"></i>{name}</span>"#);
        }
        html
    }
}

/// Beyond this, coordinates would no longer be numbers.
fn drawable(point: &&(f64, f64)) -> bool {
    point.1.abs() <= 1e100
}

fn whole(point: &(f64, f64, f64)) -> bool {
    drawable(&&(point.0, point.1)) && drawable(&&(point.0, point.2))
}

fn shade(svg: &mut String, band: &Band, place: impl Fn(f64, f64) -> (f64, f64)) {
    let mut path = String::new();
    for run in band.points.split(|point| !whole(point)).filter(|run| run.len() > 1) {
        let stride = run.len().div_ceil(MARKED * 10);
        let kept: Vec<&(f64, f64, f64)> = run.iter().step_by(stride).collect();
        let above = kept.iter().map(|point| place(point.0, point.2));
        let below = kept.iter().rev().map(|point| place(point.0, point.1));
        for (index, (x, y)) in above.chain(below).enumerate() {
            let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
        }
        path.push('Z');
    }
    if !path.is_empty() {
        let _ = write!(svg, r#"<path class="band b{}" d="{path}"/>"#, band.colour % COLOURS);
    }
}

fn draw(svg: &mut String, series: &Series, place: impl Fn(&(f64, f64)) -> (f64, f64)) {
    let colour = series.colour % COLOURS;
    let faint = if series.style == Style::Faint { " faint" } else { "" };
    let mut path = String::new();
    for run in series.points.split(|point| !drawable(&point)).filter(|run| !run.is_empty()) {
        for (index, point) in thin(run).iter().enumerate() {
            let (x, y) = place(point);
            let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
        }
    }
    let _ = write!(svg, r#"<path class="line c{colour}{faint}" d="{path}"/>"#);
    let finite = series.points.iter().filter(drawable);
    if series.style == Style::Strong && finite.clone().count() <= MARKED {
        for point in finite {
            let (x, y) = place(point);
            let about = escape(&format!("{} {} at step {}", series.name, figure(point.1), point.0));
            let _ = write!(
                svg,
                r#"<circle class="dot k{colour}" cx="{x:.1}" cy="{y:.1}" r="3"><title>{about}</title></circle>"#
            );
        }
    }
}

/// At most some 1,200 points: of each stretch the lowest and the highest, in order.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const STRETCHES: usize = 600;
    if points.len() <= 2 * STRETCHES {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * STRETCHES + 2);
    for stretch in points.chunks(points.len().div_ceil(STRETCHES)) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let ends = [stretch.iter().min_by(by_value), stretch.iter().max_by(by_value)];
        let mut ends: Vec<(f64, f64)> = ends.into_iter().flatten().copied().collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.extend(ends);
    }
    kept
}

/// The curve without its noise: at each place a straight line fitted to the neighbours, near ones counting more (Cleveland
/// 1979, "Robust locally weighted regression and smoothing scatterplots", without the robustness). Unlike a moving average
/// it does not lag behind a falling loss. Points that cannot be drawn are passed over.
pub(crate) fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> = points.iter().filter(drawable).copied().collect();
    let reach = (points.len() / 20).max(2);
    // More places than this cannot be told apart.
    let stride = points.len().div_ceil(600).max(1);
    let last = points.len().saturating_sub(1);
    let places = (0..points.len()).filter(|index| index.is_multiple_of(stride) || *index == last);
    places
        .map(|index| {
            let around = &points[index.saturating_sub(reach)..points.len().min(index + reach + 1)];
            (points[index].0, fitted(around, points[index].0))
        })
        .collect()
}

fn fitted(around: &[(f64, f64)], at: f64) -> f64 {
    let width = around.iter().map(|(x, _)| (x - at).abs()).fold(0.0, f64::max).max(1e-9) * 1.01;
    let (mut w, mut wd, mut wdd, mut wy, mut wdy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (x, y) in around {
        let d = (x - at) / width;
        let weight = (1.0 - d.abs().powi(3)).powi(3);
        w += weight;
        wd += weight * d;
        wdd += weight * d * d;
        wy += weight * y;
        wdy += weight * d * y;
    }
    let spread = w * wdd - wd * wd;
    if spread > 1e-9 * w * w { (wdd * wy - wd * wdy) / spread } else { wy / w }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        let series = vec![Series { name: "a<b".into(), colour: 0, style: Style::Strong, points }];
        Chart { title: "Loss & more".into(), series, ..Chart::default() }
    }

    fn labels(low: f64, high: f64) -> Vec<String> {
        ticks(low, high, 5, false).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers_that_can_be_told_apart() {
        assert_eq!(labels(2.9, 9.3), ["3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(labels(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(0.0, 12_000.0), ["0", "2k", "4k", "6k", "8k", "10k", "12k"]);
        assert_eq!(labels(0.0, 3e-4), ["0", "0.5e-4", "1.0e-4", "1.5e-4", "2.0e-4", "2.5e-4", "3.0e-4"]);
        let steps: Vec<f64> = ticks(1.0, 3.0, 5, true).into_iter().map(|(value, _)| value).collect();
        assert_eq!(steps, [1.0, 2.0, 3.0], "there is no half step");
        for (low, high) in
            [(0.0, 1e-300), (1e9, 1e9 + 3.0), (-5.0, 5.0), (99_990.0, 100_010.0), (0.0, 1e100), (3.2, 3.21)]
        {
            let labels = labels(low, high);
            let distinct: std::collections::BTreeSet<_> = labels.iter().collect();
            assert!(labels.len() >= 2 && distinct.len() == labels.len(), "{low}..{high}: {labels:?}");
        }
    }

    #[test]
    fn names_are_escaped_and_gaps_are_said() {
        let html = chart(vec![(1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0)]).to_html().unwrap();
        assert!(html.contains("a&lt;b") && html.contains("Loss &amp; more") && !html.contains("a<b"));
        assert!(html.contains("1 value is not finite"));
        assert_eq!(html.matches('M').count() - html.matches("\"M").count(), 1, "the line is broken at the gap");
        assert!(!html.contains("NaN"));
    }

    #[test]
    fn odd_data_never_gives_odd_coordinates() {
        let top = f64::MAX;
        for points in [
            vec![(1.0, 1.0)],
            vec![(0.0, 0.0), (1.0, 0.0)],
            vec![(0.0, -1e100), (1.0, 1e100), (2.0, top)],
            vec![(5.0, 1e-300)],
        ] {
            let html = chart(points.clone()).to_html().unwrap();
            assert!(!html.contains("NaN") && !html.contains("inf"), "{points:?}: {html}");
        }
        assert!(chart(vec![(1.0, f64::NAN)]).to_html().is_none());
        assert!(chart(Vec::new()).to_html().is_none());
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|x| (f64::from(x), 1.0)).collect();
        points[50_001].1 = 9.0;
        let kept = thin(&points);
        assert!(kept.len() <= 1200 && kept.contains(&(50_001.0, 9.0)) && kept.is_sorted_by_key(|point| point.0));
    }

    #[test]
    fn smoothing_follows_a_slope_without_lag_and_takes_noise_away() {
        let noise = philox::Key::root(1);
        for count in [3, 100, 5000] {
            let line: Vec<(f64, f64)> = (0..count).map(|x| (x as f64, 7.0 - x as f64 * 0.01)).collect();
            assert!(smooth(&line).iter().all(|(x, y)| (y - (7.0 - x * 0.01)).abs() < 1e-9));
            assert_eq!(smooth(&line).last().unwrap().0, (count - 1) as f64);
        }
        let noisy: Vec<(f64, f64)> = (0..1000).map(|x| (x as f64, noise.normal(x))).collect();
        assert!(smooth(&noisy).iter().all(|(_, y)| y.abs() < 0.7));
        let gap = smooth(&[(0.0, 2.0), (1.0, f64::NAN), (2.0, 2.0)]);
        assert_eq!(gap.len(), 2);
        assert!(smooth(&[]).is_empty());
    }
}
