//! What plugin code uses: `use plugin_api::prelude::*;`.

pub use crate::{
    Activation, AsTensor, AttentionCall, Axes, Axis, Batch, Buffer, Collate, Conv, Couple, CrossEntropy, Ctc, DType,
    Decode, Decoder, Description, Error, Evaluate, Evaluator, Experience, Figures, Forward, GradientAccess, Gradients,
    Head, HeadKind, HeadModule, HeadRequest, HuggingFace, HuggingFaceName, HuggingFaceTable, Init, Items, Layout, Loss,
    Mask, Model, ModelFamily, Objective, Output, Phase, Phases, Pictures, Pool, Result, Sample, Samples, Scope,
    SequenceBatch, Sequences, Settings, Sounds, State, Tensor, Vocabulary, Weight, WeightOptions, auxiliary, check,
    export_plugin, listening, log, nn, random, site, training,
};
