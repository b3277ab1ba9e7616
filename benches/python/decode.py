"""The case decode in PyTorch: greedy continuation with a cache, three ways; `make bench` takes the fastest.

`eager` and `compile` are the model of llama.py with keys and values in a cache of fixed size; `transformers` is its
LlamaForCausalLM.generate with the same weights, which is what people use. Answers questions on standard input, as common.py.
"""

import json
import sys
import time
import tomllib
from pathlib import Path

import common
import llama
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

folder = Path(sys.argv[1])
with open(folder / "run" / "experiment.toml", "rb") as file:
    experiment = tomllib.load(file)
weights = load_file(folder / "run" / "checkpoints" / "last" / "model.safetensors")
LONGEST = 512


def own_model():
    copy = dict(weights)
    model = llama.model(experiment, copy, LONGEST)
    common.load_weights(model, copy, llama.renamed)
    return model.eval()


class Static(torch.nn.Module):
    """One token of each text at a position that is a tensor, so that nothing is compiled anew as texts grow."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens_b1, place, cache):
        model = self.model
        table = model.cosines[place], model.sines[place]
        visible_1t = torch.arange(cache.shape[4])[None] <= place
        hidden = model.words(tokens_b1)
        for layer, kept in zip(model.layers, cache):
            q, k, v = layer.heads_of(hidden, table)
            kept[0].index_copy_(2, place, k)
            kept[1].index_copy_(2, place, v)
            mixed = F.scaled_dot_product_attention(q, kept[0], kept[1], attn_mask=visible_1t)
            hidden = layer.after(hidden, mixed)
        return model.logits(hidden[:, -1]).argmax(-1, keepdim=True)


def empty_cache(model, texts, length):
    layer = model.layers[0]
    width = model.words.weight.shape[1]
    return torch.zeros(len(model.layers), 2, texts, layer.heads, length, width // layer.heads)


def prefilled(model, prompts_bt, cache):
    table = model.cosines[: prompts_bt.shape[1]], model.sines[: prompts_bt.shape[1]]
    hidden = model.words(prompts_bt)
    for layer, kept in zip(model.layers, cache):
        hidden = layer.forward_cached(hidden, table, kept, 0)
    return model.logits(hidden[:, -1]).argmax(-1, keepdim=True)


def eager(model, prompts_bt, tokens):
    texts, first = prompts_bt.shape
    cache = empty_cache(model, texts, first + tokens)
    token = prefilled(model, prompts_bt, cache)
    written = [token]
    for place in range(first, first + tokens - 1):
        table = model.cosines[place : place + 1], model.sines[place : place + 1]
        hidden = model.words(token)
        for layer, kept in zip(model.layers, cache):
            hidden = layer.forward_cached(hidden, table, kept, place)
        token = model.logits(hidden[:, -1]).argmax(-1, keepdim=True)
        written.append(token)
    return torch.cat(written, 1)


def compiled(model, step, prompts_bt, tokens):
    texts, first = prompts_bt.shape
    cache = empty_cache(model, texts, first + tokens)
    token = prefilled(model, prompts_bt, cache)
    written = [token]
    for place in range(first, first + tokens - 1):
        token = step(token, torch.tensor([place]), cache)
        written.append(token)
    return torch.cat(written, 1)


def hugging_face():
    from transformers import LlamaConfig, LlamaForCausalLM

    settings = experiment["model"]["decoder"]
    vocabulary = weights["decoder.embeddings.word_embeddings.weight"].shape[0]
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=settings["width"],
        intermediate_size=settings["ffn_width"],
        num_hidden_layers=settings["num_layers"],
        num_attention_heads=settings["num_heads"],
        rms_norm_eps=settings["norm_epsilon"],
        max_position_embeddings=LONGEST,
        tie_word_embeddings=settings["tied_head"],
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config).eval()
    state = {"model.embed_tokens.weight": weights["decoder.embeddings.word_embeddings.weight"]}
    state["model.norm.weight"] = weights["decoder.encoder.LayerNorm.weight"]
    for number in range(settings["num_layers"]):
        ours, theirs = f"decoder.encoder.layer.{number}.", f"model.layers.{number}."
        for part, name in {"query": "q", "key": "k", "value": "v"}.items():
            state[f"{theirs}self_attn.{name}_proj.weight"] = weights[f"{ours}attention.self.{part}.weight"]
        state[f"{theirs}self_attn.o_proj.weight"] = weights[f"{ours}attention.output.dense.weight"]
        gate, up = weights[f"{ours}intermediate.dense.weight"].chunk(2)
        state[f"{theirs}mlp.gate_proj.weight"], state[f"{theirs}mlp.up_proj.weight"] = gate, up
        state[f"{theirs}mlp.down_proj.weight"] = weights[f"{ours}output.dense.weight"]
        state[f"{theirs}input_layernorm.weight"] = weights[f"{ours}attention.output.LayerNorm.weight"]
        state[f"{theirs}post_attention_layernorm.weight"] = weights[f"{ours}output.LayerNorm.weight"]
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state, strict=True)
    return model


def generators():
    """By name, a function from prompts and a number of tokens to the new tokens; made when first asked for."""
    model = own_model()
    step = torch.compile(Static(model), dynamic=False)
    made = {}

    def transformers(prompts_bt, tokens):
        if "model" not in made:
            made["model"] = hugging_face()
        out = made["model"].generate(
            prompts_bt,
            attention_mask=torch.ones_like(prompts_bt),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            use_cache=True,
        )
        return out[:, prompts_bt.shape[1] :]

    return {
        "eager": lambda prompts_bt, tokens: eager(model, prompts_bt, tokens),
        "compile": lambda prompts_bt, tokens: compiled(model, step, prompts_bt, tokens),
        "transformers": transformers,
    }


def main():
    ways = generators()
    common.answer(ready=True)
    for line in sys.stdin:
        asked = json.loads(line)
        with torch.inference_mode():
            if asked["do"] == "generate":
                prompts_bt = torch.tensor(asked["prompts"])
                try:
                    begun = time.perf_counter()
                    written = ways[asked["how"]](prompts_bt, asked["tokens"])
                    seconds = time.perf_counter() - begun
                    common.answer(tokens=written.tolist(), seconds=seconds, mib=common.peak_mib(), error=None)
                except Exception as error:
                    common.answer(error=f"{type(error).__name__}: {error}")
            elif asked["do"] == "products":
                common.answer(milliseconds=common.product_milliseconds(asked["products"], asked["rounds"]))
            else:
                return


main()
