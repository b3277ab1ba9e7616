//! Numbers as people read them.

/// A measured value with about four significant digits.
#[must_use]
pub fn figure(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞".into() } else { "−∞".into() };
    }
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e6 {
        return sign(&format!("{value:.0}"));
    }
    if !(1e-4..1e15).contains(&size) {
        return sign(&format!("{value:.2e}"));
    }
    if size >= 1e4 {
        return short(value, 3);
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 8) as usize;
    sign(&format!("{value:.decimals$}"))
}

/// A signed difference.
#[must_use]
pub fn difference(value: f64) -> String {
    if value > 0.0 { format!("+{}", figure(value)) } else { figure(value) }
}

/// A count with thousands apart: `12,345,678`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A large number with a letter: `1.25M`.
#[must_use]
pub fn short(value: f64, digits: usize) -> String {
    let (divisor, letter) = match value.abs() {
        size if size >= 1e12 => (1e12, "T"),
        size if size >= 1e9 => (1e9, "G"),
        size if size >= 1e6 => (1e6, "M"),
        size if size >= 1e3 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let scaled = value / divisor;
    let whole = if scaled.abs() >= 100.0 {
        3
    } else if scaled.abs() >= 10.0 {
        2
    } else {
        1
    };
    let text = format!("{scaled:.*}", digits.saturating_sub(whole));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    sign(&format!("{text}{letter}"))
}

/// A duration: `8.4 s`, `2 min 5 s`, `3 h 12 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".into();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// A metric's name as a title: `learning_rate` becomes `Learning rate`.
pub(crate) fn title(name: &str) -> String {
    let spaced = name.replace('_', " ").replace("grad norm", "gradient norm");
    let mut letters = spaced.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn sign(text: &str) -> String {
    text.replace('-', "−").replace("e−", "e-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_keep_their_meaning() {
        for (value, text) in [
            (3.254_321, "3.254"),
            (0.001_234_56, "0.001235"),
            (0.0, "0"),
            (-2.5, "−2.500"),
            (1234.5, "1234"),
            (54_321.7, "54.3k"),
            (12.0, "12"),
            (3e-7, "3.00e-7"),
            (f64::INFINITY, "∞"),
        ] {
            assert_eq!(figure(value), text, "{value}");
        }
        assert_eq!(difference(0.5), "+0.5000");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(short(1_250_000.0, 3), "1.25M");
        assert_eq!(short(20_000.0, 3), "20k");
        assert_eq!(duration(125.2), "2 min 5 s");
        assert_eq!(duration(11_530.0), "3 h 12 min");
        assert_eq!(title("grad_norm"), "Gradient norm");
    }
}
