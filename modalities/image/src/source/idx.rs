//! IDX, the format of MNIST: a head of big-endian numbers, then the pixels as they are; labels in a file beside it.
//!
//! LeCun, Cortes and Burges, "The MNIST database", <http://yann.lecun.com/exdb/mnist/>: two zero bytes, the type (8: bytes), the
//! number of axes, the length of each.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::unpack::plain;
use super::{Found, Gathered, Place, SourceSettings};
use crate::{Error, Result};

pub(super) fn read(path: &Path, settings: &SourceSettings, gathered: &mut Gathered) -> Result<()> {
    let file = plain(path, &settings.unpacked)?;
    let (dims, start) = head(path, &file)?;
    let [count, height, width, channels] = match dims[..] {
        [count, height, width] => [count, height, width, 1],
        [count, height, width, channels @ (1 | 3)] => [count, height, width, channels],
        _ => {
            let reason =
                format!("its axes are {dims:?}; pictures have [count, height, width], or channels (1 or 3) behind");
            return Err(Error::damaged(path, None, reason));
        }
    };
    let labels = match labels_beside(path) {
        Some(beside) => Some(labels(&beside, count, path, settings)?),
        None => None,
    };
    let number = gathered.file(&file);
    let bytes = u64::from(height) * u64::from(width) * u64::from(channels);
    for index in 0..count {
        let place = Place {
            file: number,
            offset: start + u64::from(index) * bytes,
            bytes,
            raw: Some([height, width, channels]),
        };
        let label = labels.as_ref().and_then(|labels| Some(labels.get(index as usize)?.to_string()));
        let name = format!("{}, picture {}", path.display(), index + 1);
        gathered.found.push(Found { place, name, label, caption: None });
    }
    Ok(())
}

/// The lengths of the axes and where the numbers begin; the file must be as long as they say.
fn head(path: &Path, file: &Path) -> Result<(Vec<u32>, u64)> {
    let mut reader = File::open(file).map_err(Error::io("read", file))?;
    let found = reader.metadata().map_err(Error::io("read", file))?.len();
    let cut_off = |_| Error::damaged(path, None, "it is cut off inside its head");
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(cut_off)?;
    if magic[..3] != [0, 0, 8] || !(1..=4).contains(&magic[3]) {
        let reason = "it is no IDX file of bytes: it does not begin with 0, 0, 8 and the number of axes";
        return Err(Error::damaged(path, None, reason));
    }
    let mut dims = Vec::new();
    for _ in 0..magic[3] {
        let mut length = [0; 4];
        reader.read_exact(&mut length).map_err(cut_off)?;
        dims.push(u32::from_be_bytes(length));
    }
    let start = 4 + 4 * dims.len() as u64;
    let product = dims.iter().try_fold(1_u64, |product, length| product.checked_mul(u64::from(*length)));
    let expected = product.and_then(|product| product.checked_add(start));
    if expected != Some(found) {
        let reason = format!("its axes are {dims:?}, and it is {found} bytes long: it is cut off or damaged");
        return Err(Error::damaged(path, None, reason));
    }
    if dims.contains(&0) {
        return Err(Error::Empty { place: path.display().to_string(), help: "one of its axes is 0" });
    }
    Ok((dims, start))
}

/// `train-labels-idx1-ubyte` for `train-images-idx3-ubyte`, compressed or not.
fn labels_beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let renamed = name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1");
    if renamed == name {
        return None;
    }
    let without = renamed.strip_suffix(".gz").unwrap_or(&renamed);
    [without.to_owned(), format!("{without}.gz")]
        .into_iter()
        .map(|name| path.with_file_name(name))
        .find(|path| path.is_file())
}

fn labels(path: &Path, count: u32, pictures: &Path, settings: &SourceSettings) -> Result<Vec<u8>> {
    let file = plain(path, &settings.unpacked)?;
    let (dims, start) = head(path, &file)?;
    if dims != [count] {
        let reason = format!("its axes are {dims:?}, and {} holds {count} pictures", pictures.display());
        return Err(Error::damaged(path, None, reason));
    }
    let bytes = std::fs::read(&file).map_err(Error::io("read", &file))?;
    Ok(bytes[start as usize..].to_vec())
}
