//! Decoding against Pillow, and everything that must be refused in words.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use modality_image::{DecodeSettings, decode, head};
use support::{GREY, SETTINGS, bytes, difference, expected_picture};

/// The stored picture decodes to the case within a largest and a mean difference.
fn check(name: &str, case: &str, settings: &DecodeSettings, most: u8, mean: f64) {
    let picture = decode(&bytes(name), settings).unwrap_or_else(|reason| panic!("{name}: {reason}"));
    let found = difference(&picture, &expected_picture(case));
    assert!(found.0 <= most && found.1 <= mean, "{name}: largest and mean difference {found:?}");
}

#[test]
fn lossless_pictures_come_out_as_they_went_in() {
    for name in ["colour.png", "palette.png", "deep-colour.png"] {
        check(name, name, &SETTINGS, 0, 0.0);
    }
    check("lossless.webp", "colour.png", &SETTINGS, 0, 0.0);
    for name in ["two-levels.png", "deep-grey.png"] {
        check(name, name, &GREY, 0, 0.0);
    }
    check("colour.png", "colour.png as grey", &GREY, 0, 0.0);
}

#[test]
fn jpeg_and_lossy_webp_are_near_to_pillows() {
    // Two decoders round transforms and colours in their own ways; halved colours are spread differently.
    for (name, most, mean) in [
        ("colour.jpg", 4, 0.5),
        ("progressive.jpg", 4, 0.5),
        ("turned.jpg", 4, 0.5),
        ("halved-colour.jpg", 12, 1.0),
        ("cmyk.jpg", 6, 1.0),
        ("lossy.webp", 12, 1.0),
    ] {
        check(name, name, &SETTINGS, most, mean);
    }
    check("grey.jpg", "grey.jpg", &GREY, 2, 0.3);
}

#[test]
fn transparency_shows_the_background() {
    let blue = DecodeSettings { background: [10, 20, 200], ..SETTINGS };
    for name in ["transparent.png", "transparent.webp"] {
        check(name, "transparent on white", &SETTINGS, 0, 0.0);
        check(name, "transparent on blue", &blue, 0, 0.0);
    }
    check("transparent-grey.png", "transparent-grey.png", &GREY, 0, 0.0);
}

#[test]
fn all_eight_turns_of_exif_are_undone() {
    for code in 1..=8 {
        let name = format!("turned-{code}.png");
        check(&name, &name, &SETTINGS, 0, 0.0);
    }
}

#[test]
fn what_is_no_whole_picture_is_refused_in_words() {
    for (name, words) in [
        ("cut-off.jpg", "cut off"),
        ("cut-off.png", "cut off"),
        ("cut-off.webp", "cut off"),
        ("damaged.png", "check sum"),
        ("words.jpg", "no JPEG, PNG or WebP"),
        ("empty.png", "empty"),
        ("short-rows.png", "damaged"),
    ] {
        let reason = decode(&bytes(name), &SETTINGS).unwrap_err();
        assert!(reason.contains(words), "{name}: {reason}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_decoded() {
    let reason = decode(&bytes("bomb.png"), &SETTINGS).unwrap_err();
    assert!(reason.contains("60000 × 60000") && reason.contains("most_pixels"), "{reason}");
    let small = DecodeSettings { most_pixels: 20 * 28 - 1, ..SETTINGS };
    for name in ["colour.png", "colour.jpg", "lossy.webp"] {
        assert!(decode(&bytes(name), &SETTINGS).is_ok());
        assert!(decode(&bytes(name), &small).unwrap_err().contains("most_pixels"), "{name}");
    }
}

#[test]
fn a_jpeg_that_ends_early_is_never_filled_up() {
    for name in ["colour.jpg", "progressive.jpg", "grey.jpg", "lossy.webp", "colour.png", "transparent.webp"] {
        let whole = bytes(name);
        for length in 0..whole.len() {
            // WebP files are padded to even lengths, and a PNG's last bytes are the sum of its end.
            let result = head(&whole[..length]);
            assert!(result.is_err(), "{name} passes with {length} of {} bytes", whole.len());
        }
        assert!(head(&whole).is_ok());
    }
}

#[test]
fn no_damage_makes_a_panic() {
    let mut state = 1_u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for name in
        ["colour.jpg", "progressive.jpg", "cmyk.jpg", "palette.png", "deep-grey.png", "lossy.webp", "lossless.webp"]
    {
        let whole = bytes(name);
        for _ in 0..300 {
            let mut damaged = whole.clone();
            for _ in 0..1 + random() % 4 {
                let at = random() % damaged.len();
                damaged[at] = random() as u8;
            }
            if let Ok(picture) = decode(&damaged, &SETTINGS) {
                assert_eq!(picture.pixels.len(), picture.height * picture.width * 3);
            }
        }
    }
}
