//! Sounds: files in, features and units out.
//!
//! Each step is usable alone. [`items`] lists the sounds of files, folders, archives and manifests; [`Item::read`] decodes one
//! to a mono [`Sound`]; [`Resampler`] brings it to a rate; [`Fbank`], [`LogMel`] and [`Mfcc`] make features of it; [`augment`]
//! changes it by draws that are a function of their key; [`strings`] joins clips of one speaker; [`KMeans`] finds units.
//!
//! Sounds are decoded whole. That costs memory for recordings of many hours, and buys a simple rule: what was cut off or is
//! damaged anywhere is found before the first step, and every sample is a function of its number.
//!
//! ```
//! use modality_audio::{Fbank, FbankSettings, Resampler, Sound};
//!
//! let tone = (0..8000).map(|i| (i as f32 * 0.3).sin() * 0.5).collect();
//! let sound = Sound { rate: 8000, samples: tone };
//! let sound = Resampler::new(8000, 16_000)?.apply(&sound.samples);
//! let features = Fbank::new(FbankSettings::new(16_000))?.apply(&sound);
//! assert_eq!((features.frames(), features.bins()), (98, 80));
//! # Ok::<(), modality_audio::Error>(())
//! ```

pub mod augment;
mod decode;
mod error;
mod features;
mod join;
mod kmeans;
mod resample;
mod source;
mod wav;

pub use decode::{Sound, decode};
pub use error::{Error, Result};
pub use features::{
    Fbank, FbankSettings, Features, LogMel, LogMelSettings, Mfcc, MfccSettings, frames_without_edges, with_deltas,
};
pub use join::{Clip, Joined, Joint, StringSettings, strings};
pub use kmeans::{KMeans, KMeansSettings, collapse};
pub use resample::Resampler;
pub use source::{Item, ListSettings, Pattern, items, split_members};
pub use wav::wav;
