"""Writes the labelled fixtures beside this file: invented sentences from small lists, seed 0. Python 3.11, no packages."""
import random
from pathlib import Path

here = Path(__file__).parent
draw = random.Random(0)

good = ["bright", "warm", "clever", "lovely", "honest"]
bad = ["dull", "cold", "clumsy", "dreary", "false"]
things = ["film", "play", "story", "song", "scene"]
sides = ["the actors know it", "nobody slept", "the hall was full", "it lasts two hours"]


def opinion(words):
    return f"a {draw.choice(words)} {draw.choice(things)} , {draw.choice(words)} to the end , and {draw.choice(sides)}"


rows = [(opinion(good if n % 2 else bad), "good" if n % 2 else "bad") for n in range(60)]
(here / "opinions.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in rows))

animals, acts = ["a dog", "a cat", "an owl", "a mule"], ["runs home", "sleeps", "eats bread", "sings"]
pairs = []
for _ in range(48):
    a, b, c, d = draw.choice(animals), draw.choice(acts), draw.choice(animals), draw.choice(acts)
    pairs.append((f"{a} {b}", f"{c} {d}", 2.0 * (a == c) + 2.5 * (b == d)))
(here / "pairs.csv").write_text(
    "first,second,score\n" + "".join(f'"{a.capitalize()}, it is said, now.","{b}.",{s}\n' for n, (a, b, s) in enumerate(pairs))
)

people, places = ["Ada Lowell", "Tom", "Mrs Quill", "Edmund Frey"], ["Harrow Bay", "Lund", "New Marsh", "Tarn"]
patterns = ["{p} left {l} at noon .", "In {l} , {p} met {q} .", "{p} wrote to {q} from {l} .", "The boat to {l} was late ."]
conll = []
for n in range(40):
    names = {"p": (draw.choice(people), "person"), "q": (draw.choice(people), "person"), "l": (draw.choice(places), "place")}
    for word in patterns[n % 4].split():
        if word.strip("{}") in names and word != word.strip("{}"):
            text, kind = names[word.strip("{}")]
            for place, part in enumerate(text.split()):
                conll.append(f"{part}\t{'I' if place else 'B'}-{kind}")
        else:
            conll.append(f"{word}\tO")
    conll.append("")
(here / "entities.conll").write_text("\n".join(conll) + "\n")

questions = [
    ("NUM:count", "How many bridges are there in Lund ?"),
    ("NUM:date", "When did the ferry sink ?"),
    ("LOC:city", "Which city has two harbours ?"),
    ("HUM:ind", "Who sold the caf\xe9 on Quay Street ?"),
    ("HUM:ind", "Who was the first keeper of the light ?"),
    ("LOC:other", "Where do herons winter ?"),
]
(here / "questions.txt").write_bytes("".join(f"{label} {text}\n" for label, text in questions).encode("latin-1"))

slots = [
    ("play the owl song by ada lowell", "O B-track I-track I-track O B-artist I-artist", "PlayMusic"),
    ("rate this story two stars", "O O B-object B-rating O", "RateBook"),
    ("play something cold", "O O B-mood", "PlayMusic"),
    ("give the long book one star", "O O O O B-rating O", "RateBook"),
]
for number, name in enumerate(["seq.in", "seq.out", "label"]):
    (here / "slots" / name).write_text("".join(row[number] + "\n" for row in slots))

(here / "tagged.txt").write_text(
    "\n\n\tThe/at ferry/nn to/in-tl Lund/np-tl was/bedz late/jj ./.\n\n\n\tNobody's/pn$ boat/nn didn't/dod* sink/vb ./.\n"
)
