//! The published architectures that are combinations of this family's settings: Wav2Vec2 and Hubert.

mod names;

use plugin_api::prelude::*;
use plugin_api::{HuggingFaceConfig as Config, Json, activation_name, json};

use crate::Wav2Vec;

/// Their `model_type`s.
const TYPES: [&str; 2] = ["hubert", "wav2vec2"];

fn settings(model_type: &str, config: &Config<'_>) -> Result<Json> {
    config.must_be("feat_extract_activation", &json!("gelu"))?;
    // Of models that have one, a batch norm in the convolution for positions, or an adapter behind the model.
    config.must_be("conv_pos_batch_norm", &json!(false))?;
    config.must_be("add_adapter", &json!(false))?;
    config.must_be("adapter_attn_dim", &Json::Null)?;
    let numbers = |key: &str, usual: &[u64]| -> Result<Vec<u64>> {
        let Some(value) = config.get(key) else { return Ok(usual.to_vec()) };
        let numbers = value.as_array().and_then(|all| all.iter().map(Json::as_u64).collect::<Option<Vec<u64>>>());
        numbers.ok_or_else(|| config.refused(key))
    };
    let channels = numbers("conv_dim", &[512; 7])?;
    let Some(first) = channels.first().filter(|first| channels.iter().all(|channel| channel == *first)) else {
        return Err(config.refused("conv_dim").help("all convolutions of this family have the same channels"));
    };
    let norm = config.text("feat_extract_norm", "group")?;
    if !matches!(norm, "group" | "layer") {
        return Err(config.refused("feat_extract_norm"));
    }
    let projection_norm = model_type != "hubert" || config.flag("feat_proj_layer_norm", true)?;
    Ok(json!({
        "width": config.count("hidden_size")?,
        "num_layers": config.count("num_hidden_layers")?,
        "num_heads": config.count("num_attention_heads")?,
        "ffn_width": config.count("intermediate_size")?,
        "channels": first,
        "kernels": numbers("conv_kernel", &[10, 3, 3, 3, 3, 2, 2])?,
        "strides": numbers("conv_stride", &[5, 2, 2, 2, 2, 2, 2])?,
        "conv_bias": config.flag("conv_bias", false)?,
        "conv_norm": norm,
        "projection_norm": projection_norm,
        "position_kernel": config.count_or("num_conv_pos_embeddings", 128)?,
        "position_groups": config.count_or("num_conv_pos_embedding_groups", 16)?,
        "published": model_type,
        "pre_norm": config.flag("do_stable_layer_norm", false)?,
        "activation": config.activation("hidden_act", "gelu")?,
        "norm_epsilon": config.number("layer_norm_eps", 1e-5)?,
        "dropout": config.number("hidden_dropout", 0.1)?,
        "attention_dropout": config.number("attention_dropout", 0.1)?,
    }))
}

impl HuggingFace for Wav2Vec {
    fn settings_of(config: &Json) -> Result<Option<Json>> {
        let config = Config::new(config);
        let model_type = config.text("model_type", "")?;
        TYPES.contains(&model_type).then(|| settings(model_type, &config)).transpose()
    }

    fn config(&self) -> Result<Json> {
        let settings = &self.settings;
        if self.sounds.bins != 1 {
            let fact = format!("the published models hear waves, this one {} numbers at a time", self.sounds.bins);
            return Err(Error::unsupported(fact).help("export a model of `features = \"waveform\"`"));
        }
        let layers = settings.kernels.len();
        let is_hubert = settings.published == "hubert";
        if !is_hubert && !settings.projection_norm {
            return Err(Error::unsupported("Wav2Vec2 has a norm before its projection, and this model has none")
                .help("export it as Hubert: `model.ROLE.published = \"hubert\"`"));
        }
        let name = if is_hubert { "Hubert" } else { "Wav2Vec2" };
        let mut config = json!({
            "model_type": settings.published,
            "architectures": [format!("{name}Model")],
            "architectures_by_head": { "none": format!("{name}Model"), "tokens": format!("{name}ForCTC") },
            "hidden_size": settings.width,
            "num_hidden_layers": settings.num_layers,
            "num_attention_heads": settings.num_heads,
            "intermediate_size": settings.inner_width(),
            "conv_dim": vec![settings.channels; layers],
            "conv_kernel": settings.kernels,
            "conv_stride": settings.strides,
            "num_feat_extract_layers": layers,
            "conv_bias": settings.conv_bias,
            "feat_extract_norm": settings.conv_norm,
            "feat_extract_activation": "gelu",
            "num_conv_pos_embeddings": settings.position_kernel,
            "num_conv_pos_embedding_groups": settings.position_groups,
            "do_stable_layer_norm": settings.pre_norm,
            "hidden_act": activation_name(&settings.activation),
            "layer_norm_eps": settings.norm_epsilon,
            "hidden_dropout": settings.dropout,
            "attention_dropout": settings.attention_dropout,
            // Nothing here replaces masked rows: objectives have vectors of their own.
            "mask_time_prob": 0.0,
            "mask_feature_prob": 0.0,
        });
        if is_hubert {
            config["feat_proj_layer_norm"] = json!(settings.projection_norm);
        }
        Ok(config)
    }

    fn table(&self) -> HuggingFaceTable {
        names::table(self)
    }
}
