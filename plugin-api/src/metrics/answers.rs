//! Answers to questions against those of people: Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1, and its script.

use std::collections::BTreeMap;

/// The words of an answer that count: lower case, without punctuation and articles.
#[must_use]
pub fn normal_answer(answer: &str) -> Vec<String> {
    let kept: String = answer.to_lowercase().chars().filter(|letter| !letter.is_ascii_punctuation()).collect();
    kept.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the")).map(str::to_owned).collect()
}

/// Whether an answer is the same as one of those accepted, but for case, punctuation and articles.
#[must_use]
pub fn exact_match<S: AsRef<str>>(answer: &str, accepted: &[S]) -> bool {
    let answer = normal_answer(answer);
    accepted.iter().any(|accepted| normal_answer(accepted.as_ref()) == answer)
}

/// F1 of the words shared with the nearest of the accepted answers; 1 where both have no word.
#[must_use]
pub fn answer_f1<S: AsRef<str>>(answer: &str, accepted: &[S]) -> f64 {
    let answer = normal_answer(answer);
    accepted.iter().map(|accepted| shared(&answer, &normal_answer(accepted.as_ref()))).fold(0.0, f64::max)
}

fn shared(a: &[String], b: &[String]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::from(u8::from(a.is_empty() && b.is_empty()));
    }
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    b.iter().for_each(|word| *left.entry(word).or_default() += 1);
    let mut common = 0;
    for word in a {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    2.0 * f64::from(common) / (a.len() + b.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_articles_do_not_count() {
        assert!(exact_match("The Eiffel Tower", &["eiffel tower!"]));
        assert!(exact_match("An", &["the."]) && !exact_match("in 1742", &["1742", "1743"]));
        assert_eq!(normal_answer("A man,  a plan"), ["man", "plan"]);
    }

    #[test]
    fn shared_words_count_as_often_as_both_have_them() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        // One word of two is right, and it is the only one asked for.
        assert!(close(answer_f1("in 1742", &["1742"]), 2.0 / 3.0));
        assert!(close(answer_f1("red red blue", &["red blue blue"]), 2.0 / 3.0));
        assert!(close(answer_f1("x", &["y", "x z"]), 2.0 / 3.0));
        assert_eq!((answer_f1("", &["the"]), answer_f1("", &["x"]), answer_f1::<&str>("x", &[])), (1.0, 0.0, 0.0));
    }
}
