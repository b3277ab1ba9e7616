//! A plugin that does one thing wrong on request.
//!
//! The setting `how` chooses the fault; `nothing` behaves. Each fault is what a beginner's plugin may do, and each must end
//! as an error of a few lines, never as an end of the process. The tests of the whole program go through them all.

mod family;
mod objective;

use plugin_api::prelude::*;

pub use family::{Family, FamilySettings};
pub use objective::{Misbehaving, MisbehavingSettings};

export_plugin! {
    name: "misbehaving",
    provides: [Objective<Misbehaving>, Collate<Misbehaving>, Figures<Misbehaving>, Model<Family>]
}
