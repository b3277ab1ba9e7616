//! From the best class of each row to a transcript.

/// The transcript that the best classes say: repetitions are one, then blanks go. Graves et al. 2006, section 3.2.
#[must_use]
pub fn greedy(best: &[u32], blank: u32) -> Vec<u32> {
    let mut said = best.to_vec();
    said.dedup();
    said.retain(|class| *class != blank);
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_parts_what_is_said_twice() {
        assert_eq!(greedy(&[9, 1, 1, 9, 1, 2, 2, 9], 9), [1, 1, 2]);
        assert_eq!(greedy(&[1, 1, 2], 9), [1, 2]);
        assert!(greedy(&[9, 9], 9).is_empty() && greedy(&[], 9).is_empty());
    }
}
