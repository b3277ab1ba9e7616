"""Tiny models of transformers, texts, and what evaluators must find for them.

python make.py, in this folder. Every probability is computed here one text, and one masked token, at a time.
"""
import json
import pathlib

import numpy as np
import scipy.stats
import torch
import transformers
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

HERE = pathlib.Path(__file__).parent
BEGIN, END, MASK = 257, 258, 259
torch.manual_seed(0)

gpt2 = GPT2LMHeadModel(
    GPT2Config(vocab_size=260, n_positions=64, n_embd=16, n_layer=2, n_head=2, initializer_range=0.3,
               bos_token_id=BEGIN, eos_token_id=END)
).eval()
bert = BertForMaskedLM(
    BertConfig(vocab_size=260, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
               max_position_embeddings=64, initializer_range=0.3, pad_token_id=256)
).eval()
gpt2.save_pretrained(HERE / "gpt2")
bert.save_pretrained(HERE / "bert")
for folder in ("gpt2", "bert"):
    (HERE / folder / "generation_config.json").unlink(missing_ok=True)

TEXTS = ["the tide took the lower road", "a bell rang twice", "no rain", "she counted the lamps", "ten boats went out", "salt"]
PAIRS = [
    ("the boats are out", "the boats is out", "agreement"),
    ("the bell is old", "the bell are old", "agreement"),
    ("she saw herself", "she saw himself", "anaphor"),
    ("he saw himself", "he saw herself", "anaphor"),
    ("a lamp fell", "an lamp fell", "article"),
]
QUESTIONS = [("the sky is ", ["blue", "a very old boat", "no"], 0), ("a bell can ", ["ring", "swim"], 0), ("salt is ", ["sweet", "white"], 1)]
SENTENCES = [("the boat is out", "a boat went out", 4.5), ("no rain", "ten lamps", 0.5), ("a bell rang", "the bell rang", 4.0),
             ("salt", "the lower road", 1.0), ("she counted", "he counted lamps", 3.0)]
LABELLED = [(f"{a} {b}", label) for label, words in [("sea", ["boat", "tide", "salt"]), ("land", ["road", "lamp", "bell"])]
            for a in words for b in ["rang", "is out", "was old", "went by"]]


def ids(text):
    return list(text.encode())


def whole(text):
    return [BEGIN, *ids(text), END]


@torch.no_grad()
def causal(tokens, places):
    logits = gpt2(torch.tensor([tokens])).logits[0].log_softmax(-1)
    return [logits[place - 1, tokens[place]].item() for place in places]


@torch.no_grad()
def pseudo(tokens, places):
    found = []
    for place in places:
        shown = list(tokens)
        shown[place] = MASK
        found.append(bert(torch.tensor([shown])).logits[0].log_softmax(-1)[place, tokens[place]].item())
    return found


@torch.no_grad()
def pooled(text):
    return bert.bert(torch.tensor([whole(text)])).last_hidden_state[0].mean(0).double().numpy()


def inner(text):
    return range(1, len(ids(text)) + 1)


def lines(name, rows):
    (HERE / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


(HERE / "texts.txt").write_text("".join(text + "\n" for text in TEXTS))
lines("pairs.jsonl", [{"good": g, "bad": b, "phenomenon": p} for g, b, p in PAIRS])
lines("questions.jsonl", [{"prompt": p, "answer": a, "right": int(i == r)} for p, answers, r in QUESTIONS for i, a in enumerate(answers)])
lines("sentences.jsonl", [{"a": a, "b": b, "score": s} for a, b, s in SENTENCES])
train, valid = LABELLED[::2] + LABELLED[1::4], LABELLED[3::4]
lines("train.jsonl", [{"text": t, "label": l} for t, l in train])
lines("valid.jsonl", [{"text": t, "label": l} for t, l in valid])

expected = {"made_with": f"transformers {transformers.__version__}, torch {torch.__version__}"}
nats = [-sum(causal(whole(text), inner(text))) for text in TEXTS]
count = sum(len(ids(text)) for text in TEXTS)
expected["perplexity"] = {"nats": nats, "loss": sum(nats) / count, "perplexity": float(np.exp(sum(nats) / count)), "tokens": count}
nats = [-sum(pseudo(whole(text), inner(text))) for text in TEXTS]
expected["pseudo-perplexity"] = {"nats": nats, "loss": sum(nats) / count, "pseudo_perplexity": float(np.exp(sum(nats) / count))}
for name, how in [("causal", causal), ("pseudo", pseudo)]:
    good = [sum(how(whole(g), inner(g))) for g, _, _ in PAIRS]
    bad = [sum(how(whole(b), inner(b))) for _, b, _ in PAIRS]
    expected[f"minimal-pairs {name}"] = {"good": good, "bad": bad, "accuracy": float(np.mean([g > b for g, b in zip(good, bad)]))}
sums, right, normal = [], [], []
for prompt, answers, best in QUESTIONS:
    scores = []
    for answer in answers:
        tokens = [BEGIN, *ids(prompt), *ids(answer)]
        first = 1 + len(ids(prompt))
        scores.append((sum(causal(tokens, range(first, len(tokens)))), len(ids(answer))))
    sums += [s for s, _ in scores]
    right.append(int(np.argmax([s for s, _ in scores]) == best))
    normal.append(int(np.argmax([s / n for s, n in scores]) == best))
expected["rank"] = {"log_probability": sums, "accuracy": float(np.mean(right)), "normalised_accuracy": float(np.mean(normal))}
cosines = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in ((pooled(a), pooled(b)) for a, b, _ in SENTENCES)]
scores = [s for _, _, s in SENTENCES]
expected["similarity"] = {"cosine": cosines, "spearman": float(scipy.stats.spearmanr(cosines, scores)[0]), "pearson": float(scipy.stats.pearsonr(cosines, scores)[0])}
seen, new = (np.array([pooled(t) for t, _ in part]) for part in (train, valid))
labels, truth = ([l for _, l in part] for part in (train, valid))
scaler = StandardScaler().fit(seen)
seen, new = scaler.transform(seen), scaler.transform(new)
linear = LogisticRegression(C=1.0, tol=1e-10, max_iter=10000).fit(seen, labels).predict(new)
unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
near = KNeighborsClassifier(5, algorithm="brute").fit(unit(seen), labels).predict(unit(new))
expected["probe"] = {
    "accuracy": accuracy_score(truth, linear), "macro_f1": f1_score(truth, linear, average="macro"),
    "knn_accuracy": accuracy_score(truth, near), "knn_macro_f1": f1_score(truth, near, average="macro"),
}
(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
print(json.dumps({k: {n: v for n, v in e.items() if not isinstance(v, list)} if isinstance(e, dict) else e for k, e in expected.items()}, indent=1))
