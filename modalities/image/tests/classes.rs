//! Maps of classes: found by name, cut as their pictures, refused where their numbers are not those of pixels.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use image::{ColorType, ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use modality_image::{ClassMaps, Corrupt, Crop, Filter, Index, Jitter, Picture, SourceSettings, Transform, VOID};
use philox::Key;
use support::GREY;

const SIDE: usize = 24;

fn write(path: &Path, [height, width]: [usize; 2], color: ColorType, pixels: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    PngEncoder::new(file).write_image(pixels, width as u32, height as u32, ExtendedColorType::from(color)).unwrap();
}

fn grey(path: &Path, number: impl Fn(usize) -> u8) {
    let pixels: Vec<u8> = (0..SIDE * SIDE).map(number).collect();
    write(path, [SIDE, SIDE], ColorType::L8, &pixels);
}

fn source(folder: &Path) -> SourceSettings {
    SourceSettings { field: "image".into(), label_field: "label".into(), unpacked: folder.join("unpacked") }
}

fn index(folder: &Path) -> Index {
    Index::build(&[folder.join("pictures")], &source(folder), GREY, Corrupt::Refuse).unwrap()
}

fn maps(folder: &Path, classes: usize, ignored: &[u8]) -> modality_image::Result<ClassMaps> {
    ClassMaps::build(&[folder.join("maps")], &source(folder), &index(folder), (classes, ignored), 1_000_000)
}

fn refused(folder: &Path) -> String {
    maps(folder, 4, &[]).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn numbers_become_classes_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b", "a"] {
        grey(&folder.path().join(format!("pictures/{name}.png")), |place| place as u8);
        grey(&folder.path().join(format!("maps/{name}.png")), |place| if name == "a" { place as u8 % 3 } else { 7 });
    }
    let found = maps(folder.path(), 3, &[1, 7]).unwrap();
    let first = found.of(0).unwrap();
    assert_eq!((first.height, first.width, &first.pixels[..4]), (SIDE, SIDE, &[0, VOID, 2, 0][..]));
    assert!(found.of(1).unwrap().pixels.iter().all(|number| *number == VOID));
    let error = maps(folder.path(), 3, &[]).unwrap().of(1).unwrap_err().to_string();
    assert!(error.contains("b.png: class 7 in row 0, column 0, and the classes go to 2"), "{error}");
}

#[test]
fn maps_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, map) = (folder.path().join("pictures/a.png"), folder.path().join("maps/a.png"));
    grey(&picture, |place| place as u8);
    write(&map, [SIDE, SIDE], ColorType::Rgb8, &[0; SIDE * SIDE * 3]);
    assert!(refused(folder.path()).contains("a.png: a map of classes has to be grey of 8 bits"));
    write(&map, [SIDE, SIDE], ColorType::L16, &[0; SIDE * SIDE * 2]);
    assert!(refused(folder.path()).contains("a.png: a map of classes has to be grey of 8 bits"));
    write(&map, [SIDE, SIDE - 1], ColorType::L8, &[0; SIDE * (SIDE - 1)]);
    assert!(refused(folder.path()).contains("it has 24 × 24 pixels, and its map 24 × 23"));
    std::fs::rename(&map, folder.path().join("maps/c.png")).unwrap();
    assert!(refused(folder.path()).contains("none of the 1 maps of classes is called `a`"));
    grey(&map, |_| 0);
    grey(&folder.path().join("maps/street/a.png"), |_| 0);
    assert!(refused(folder.path()).contains("is another map of that name"));
}

#[test]
fn a_map_is_cut_as_its_picture() {
    // Each pixel tells its class.
    let number = |place: usize| (place * 7 % 200) as u8;
    let picture = Picture { height: SIDE, width: SIDE, channels: 1, pixels: (0..SIDE * SIDE).map(number).collect() };
    let transform = |crop, size| Transform {
        size,
        filter: Filter::Bilinear,
        crop,
        flip: 0.5,
        jitter: Jitter::default(),
        mean: vec![0.0],
        std: vec![1.0 / 255.0],
    };
    let (mut voids, mut moved) = (0, 0);
    for draw in 0..50 {
        let (key, transform) = (Key::root(1).at(draw), transform(Crop::Shifted { padding: 5 }, [SIDE, SIDE]));
        let (pixels, classes) = (transform.apply(&picture, key).unwrap(), transform.classes(&picture, key).unwrap());
        for (pixel, class) in pixels.iter().zip(&classes) {
            // What comes in from outside is black, and of no class.
            let expected = if *class == VOID { 0.0 } else { f32::from(*class) };
            assert!((pixel - expected).abs() < 1e-3, "{pixel} shows class {class}");
        }
        voids += usize::from(classes.contains(&VOID));
        moved += usize::from(classes != picture.pixels);
    }
    assert!(voids > 40 && moved > 40, "{voids} with an edge, {moved} moved, of 50");
    // Resized, classes are not blended: halves stay halves.
    let halves = Picture { pixels: (0..SIDE * SIDE).map(|place| (place % SIDE / 12 * 100) as u8).collect(), ..picture };
    let random = Crop::Resized { scale: [0.3, 1.0], ratio: [0.75, 4.0 / 3.0] };
    for draw in 0..50 {
        let (key, transform) = (Key::root(2).at(draw), transform(random.clone(), [16, 20]));
        let (pixels, classes) = (transform.apply(&halves, key).unwrap(), transform.classes(&halves, key).unwrap());
        let near = pixels.iter().zip(&classes).filter(|(pixel, class)| (*pixel - f32::from(**class)).abs() < 50.5);
        assert!(classes.iter().all(|class| matches!(class, 0 | 100)));
        assert_eq!(near.count(), 16 * 20, "an edge lies elsewhere in the map");
    }
}

#[test]
fn the_nearest_pixel_is_the_one_at_its_place() {
    let picture = Picture { height: 6, width: 9, channels: 1, pixels: (0..54).collect() };
    for [height, width] in [[3, 4], [6, 20], [1, 1], [13, 2]] {
        let resized = picture.clone().resized(height, width, Filter::Nearest).unwrap();
        let at = |index: usize, from: usize, to: usize| (2 * index + 1) * from / (2 * to);
        let expected: Vec<u8> = (0..height * width)
            .map(|place| picture.pixels[at(place / width, 6, height) * 9 + at(place % width, 9, width)])
            .collect();
        assert_eq!(resized.pixels, expected, "{height} × {width}");
    }
}
