//! Resizing, crops and colours against Pillow and torchvision; draws as functions of their key.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use modality_image::{Change, Crop, Filter, Geometry, Jitter, Picture, Transform, decode};
use philox::Key;
use support::{GREY, SETTINGS, bytes, difference, expected, expected_picture};

fn source() -> Picture {
    decode(&bytes("source.png"), &SETTINGS).unwrap()
}

fn transform(crop: Crop) -> Transform {
    Transform {
        size: [16, 16],
        filter: Filter::Bilinear,
        crop,
        flip: 0.5,
        jitter: Jitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, rate: 0.8 },
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
    }
}

const RESIZED: Crop = Crop::Resized { scale: [0.2, 1.0], ratio: [0.75, 4.0 / 3.0] };

#[test]
fn resizing_is_pillows() {
    let grey = decode(&bytes("source.png"), &GREY).unwrap();
    for (name, filter) in [("bilinear", Filter::Bilinear), ("bicubic", Filter::Bicubic)] {
        for [height, width] in [[24, 32], [9, 17], [50, 40], [13, 70]] {
            let resized = source().resized(height, width, filter).unwrap();
            let (most, mean) = difference(&resized, &expected_picture(&format!("{name} {height} {width}")));
            // Some of the numbers that lie half-way are rounded to the other side.
            assert!(most <= 2 && mean < 0.2, "{name} {height} × {width}: {most} at most, {mean} in the mean");
        }
        let resized = grey.clone().resized(15, 22, filter).unwrap();
        let (most, _) = difference(&resized, &expected_picture(&format!("{name} 15 22 grey")));
        assert!(most <= 2, "{name} grey: {most}");
    }
    assert!(source().resized(0, 3, Filter::Bilinear).is_err());
}

#[test]
fn the_middle_is_torchvisions() {
    let picture = source();
    let geometry = Geometry::draw(
        &Crop::Centre { share: 28.0 / 32.0 },
        0.0,
        [28, 28],
        [picture.height, picture.width],
        Key::root(0),
    );
    let view = geometry.apply(&picture, [28, 28], Filter::Bicubic).unwrap();
    let (most, mean) = difference(&view, &expected_picture("middle"));
    assert!(most <= 2 && mean < 0.1, "{most} at most, {mean} in the mean");
}

#[test]
fn colours_are_torchvisions() {
    let (shape, pixels) = expected("colours", 1);
    let count = shape[0] * shape[1];
    let planes: Vec<f32> = (0..3 * count).map(|at| f32::from(pixels[at % count * 3 + at / count]) / 255.0).collect();
    for (name, change) in [
        ("brightness 0.5", Change::Brightness(0.5)),
        ("brightness 1.6", Change::Brightness(1.6)),
        ("contrast 0.5", Change::Contrast(0.5)),
        ("contrast 1.6", Change::Contrast(1.6)),
        ("saturation 0.5", Change::Saturation(0.5)),
        ("saturation 1.6", Change::Saturation(1.6)),
        ("hue -0.4", Change::Hue(-0.4)),
        ("hue 0.15", Change::Hue(0.15)),
    ] {
        let mut changed = planes.clone();
        change.apply(&mut changed, 3);
        let (_, bytes) = expected(name, 4);
        let wanted = bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        let most = changed.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 2e-5, "{name}: {most}");
    }
    let mut grey = planes[..count].to_vec();
    Change::Hue(0.3).apply(&mut grey, 1);
    Change::Saturation(0.3).apply(&mut grey, 1);
    assert_eq!(grey, planes[..count]);
}

#[test]
fn draws_are_a_function_of_their_key() {
    let picture = source();
    for crop in [RESIZED, Crop::Shifted { padding: 4 }] {
        let transform = transform(crop);
        let first = transform.apply(&picture, Key::root(1).at(5)).unwrap();
        assert_eq!(first.len(), 3 * 16 * 16);
        assert_eq!(first, transform.apply(&picture, Key::root(1).at(5)).unwrap());
        let others =
            (0..20).filter(|at| transform.apply(&picture, Key::root(1).at(100 + at)).unwrap() != first).count();
        assert_eq!(others, 20, "{:?}", transform.crop);
    }
}

#[test]
fn areas_keep_to_scale_and_shape_and_lie_within() {
    for [rows, columns] in [[40, 56], [32, 32], [100, 7], [1, 1]] {
        let (mut flipped, mut areas) = (0, Vec::new());
        for at in 0..2000 {
            let geometry = Geometry::draw(&RESIZED, 0.3, [8, 8], [rows, columns], Key::root(3).at(at));
            let area = geometry.area;
            assert!(area.height > 0 && area.top + area.height <= rows && area.left + area.width <= columns, "{area:?}");
            flipped += usize::from(geometry.flipped);
            areas.push((area.height * area.width) as f64 / (rows * columns) as f64);
        }
        assert!((500..700).contains(&flipped), "{flipped} of 2000 are mirrored");
        if rows == 32 {
            // Uniform between 0.2 and 1 but for those that do not fit and are drawn again: a little less than 0.6.
            let mean = areas.iter().sum::<f64>() / 2000.0;
            assert!((0.5..0.62).contains(&mean), "{mean}");
            assert!(areas.iter().all(|share| (0.15..=1.0).contains(share)));
        }
    }
}

#[test]
fn views_of_one_picture_show_the_same_part() {
    // A picture whose levels are its places: half the size shows the same places, up to the smoothing of the filter.
    let picture = Picture {
        height: 64,
        width: 64,
        channels: 3,
        pixels: (0..64 * 64).flat_map(|at| [(at / 64 * 4) as u8, (at % 64 * 4) as u8, 0]).collect(),
    };
    let mut transform = transform(RESIZED);
    transform.size = [32, 32];
    transform.jitter = Jitter { rate: 1.0, brightness: 0.3, ..Jitter::default() };
    for at in 0..30 {
        let views = transform.views(&picture, &[[32, 32], [16, 16]], Key::root(9).at(at)).unwrap();
        for row in 2..14 {
            for column in 2..14 {
                for channel in 0..2 {
                    let small = views[1][(channel * 16 + row) * 16 + column];
                    let large: f32 = [(0, 0), (0, 1), (1, 0), (1, 1)]
                        .into_iter()
                        .map(|(y, x)| views[0][(channel * 32 + 2 * row + y) * 32 + 2 * column + x] / 4.0)
                        .sum();
                    assert!((small - large).abs() < 0.06, "{at}: {small} {large}");
                }
            }
        }
    }
    // A picture and its map of classes, by one geometry: mirrored and cut alike.
    let geometry = Geometry::draw(&RESIZED, 1.0, [32, 32], [64, 64], Key::root(4));
    let map = Picture { channels: 1, pixels: picture.pixels.iter().step_by(3).copied().collect(), ..picture.clone() };
    let (view, of_map) = (
        geometry.apply(&picture, [32, 32], Filter::Bilinear).unwrap(),
        geometry.apply(&map, [32, 32], Filter::Bilinear).unwrap(),
    );
    assert!(view.pixels.chunks_exact(3).zip(&of_map.pixels).all(|(pixel, level)| pixel[0].abs_diff(*level) <= 1));
}

#[test]
fn shifted_pictures_move_by_whole_pixels_and_let_black_in() {
    let picture = Picture { height: 8, width: 8, channels: 1, pixels: (1..=64).collect() };
    let mut places = std::collections::BTreeSet::new();
    for at in 0..400 {
        let geometry = Geometry::draw(&Crop::Shifted { padding: 2 }, 0.0, [8, 8], [8, 8], Key::root(2).at(at));
        let view = geometry.apply(&picture, [8, 8], Filter::Bilinear).unwrap();
        let (first, level) = view.pixels.iter().enumerate().find(|(_, level)| **level > 0).unwrap();
        let (down, right) = (first as i64 / 8 - i64::from(level - 1) / 8, first as i64 % 8 - i64::from(level - 1) % 8);
        assert!(down.abs() <= 2 && right.abs() <= 2);
        let black = 64 - (8 - down.abs()) * (8 - right.abs());
        assert_eq!(view.pixels.iter().filter(|level| **level == 0).count() as i64, black);
        places.insert((down, right));
    }
    assert_eq!(places.len(), 25);
}

#[test]
fn numbers_are_normalised_and_mirrored() {
    let picture = Picture { height: 1, width: 2, channels: 3, pixels: vec![0, 51, 255, 102, 204, 0] };
    let plain = Transform {
        size: [1, 2],
        filter: Filter::Bilinear,
        crop: Crop::Stretch,
        flip: 1.0,
        jitter: Jitter::default(),
        mean: vec![0.0, 0.2, 0.5],
        std: vec![1.0, 0.5, 0.25],
    };
    let found = plain.apply(&picture, Key::root(0)).unwrap();
    for (found, wanted) in found.iter().zip([0.4, 0.0, 1.2, 0.0, -2.0, 2.0]) {
        assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
    }
    assert!(Transform { mean: vec![0.0], ..plain }.apply(&picture, Key::root(0)).is_err());
}
