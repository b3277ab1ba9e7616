//! Pictures and sounds inside the page, so that it stays one file.

use std::fmt::Write;

use super::page::escape;
use crate::media::{Kind, Medium};

/// One after the other, each with what it shows.
pub(super) fn media_html(media: &[Medium]) -> String {
    let mut html = String::from("<div class=\"media\">");
    for Medium { kind, split, name, bytes } in media {
        let (caption, data) = (escape(&format!("{split}: {name}")), base64(bytes));
        let shown = match kind {
            Kind::Picture => format!("<img alt=\"{caption}\" src=\"data:image/png;base64,{data}\">"),
            Kind::Sound => format!("<audio controls preload=\"none\" src=\"data:audio/wav;base64,{data}\"></audio>"),
        };
        let _ = write!(html, "<figure>{shown}<figcaption>{caption}</figcaption></figure>");
    }
    html.push_str("</div>");
    html
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0_usize, |word, at| word << 8 | usize::from(group.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = char::from(LETTERS[word >> (18 - 6 * at) & 63]);
            text.push(if at > group.len() { '=' } else { letter });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "+/+/");
    }

    #[test]
    fn pictures_are_shown_and_sounds_play() {
        let medium = |kind, name: &str| Medium { kind, split: "valid".into(), name: name.into(), bytes: vec![1] };
        let html = media_html(&[medium(Kind::Picture, "<a>"), medium(Kind::Sound, "b")]);
        assert!(html.contains("src=\"data:image/png;base64,AQ==\""), "{html}");
        assert!(html.contains("<audio controls preload=\"none\" src=\"data:audio/wav;base64,AQ==\">"), "{html}");
        assert!(html.contains("valid: &lt;a&gt;") && !html.contains("<a>"), "{html}");
    }
}
