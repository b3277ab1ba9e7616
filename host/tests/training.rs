//! What training has to hold, whole: sessions opened from experiments, plugins loaded, steps taken.

mod training {
    mod averages;
    mod batches;
    mod division;
    mod evaluation;
    mod gradients;
    mod items;
    mod labelled;
    mod masking;
    mod memory;
    mod optimizer;
    mod packing;
    mod precision;
    mod skipped;
    mod support;
    mod weights;
}
