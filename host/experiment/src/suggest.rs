//! «Did you mean»: the known word nearest to a misspelt one.

/// The word of `known` that `word` most likely means, or none if all are too far off.
///
/// Near is a third of the letters wrong (insertions, deletions, swaps; case does not count), or one word beginning with
/// the other. Of two equally near words the first wins.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let asked = word.to_lowercase();
    let letters = asked.chars().count();
    // The distance costs the product of both lengths: no name is this long, so nothing can be near.
    if letters == 0 || letters > 100 {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let lower = candidate.to_lowercase();
        let length = letters.max(lower.chars().count());
        let mut distance = strsim::damerau_levenshtein(&asked, &lower);
        let begins =
            letters >= 3 && lower.starts_with(&asked) || lower.chars().count() >= 3 && asked.starts_with(&lower);
        let near = distance <= (length / 3).max(1) && distance < length;
        if !near && !begins {
            continue;
        }
        if !near {
            distance += length;
        }
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    const KNOWN: [&str; 5] = ["mask_rate", "masked_share", "random_share", "lr", "learning_rate"];

    #[test]
    fn finds_the_nearest_word() {
        assert_eq!(suggest("mask_rat", KNOWN), Some("mask_rate"));
        assert_eq!(suggest("Mask_Rate", KNOWN), Some("mask_rate"));
        assert_eq!(suggest("msak_rate", KNOWN), Some("mask_rate"));
        assert_eq!(suggest("random", KNOWN), Some("random_share"));
        assert_eq!(suggest("rl", KNOWN), Some("lr"));
    }

    #[test]
    fn stays_silent_when_nothing_is_near() {
        assert_eq!(suggest("temperature", KNOWN), None);
        assert_eq!(suggest("", KNOWN), None);
        assert_eq!(suggest("x", KNOWN), None);
        assert_eq!(suggest("mask_rate", []), None);
        assert_eq!(suggest(&"m".repeat(1_000_000), KNOWN), None);
    }
}
