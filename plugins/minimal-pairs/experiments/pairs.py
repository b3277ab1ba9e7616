"""Minimal pairs from templates, one JSON object a line: {"good": …, "bad": …, "phenomenon": …}.

python pairs.py > pairs.jsonl

Six phenomena that BLiMP has as well (Warstadt et al. 2020, arXiv:1912.00582, table 4), in plain words that novels use. BLiMP itself
is not in this repository; its files have the columns `sentence_good` and `sentence_bad` and are read the same way.
"""
import json
import random

NOUNS = [("boy", "boys"), ("girl", "girls"), ("man", "men"), ("woman", "women"), ("horse", "horses"), ("dog", "dogs"), ("doctor", "doctors"),
         ("king", "kings"), ("friend", "friends"), ("teacher", "teachers"), ("soldier", "soldiers"), ("child", "children")]
PLACES = ["house", "river", "garden", "road", "church", "table", "window", "door", "hill", "station"]
THINGS = [("book", "books"), ("letter", "letters"), ("tree", "trees"), ("lamp", "lamps"), ("stone", "stones"), ("chair", "chairs")]
STATES = ["here", "old", "happy", "in the garden", "at the door", "very tired", "afraid", "on the road", "in the house", "ready"]
PAST = ["was", "were"]
PRESENT = ["is", "are"]
HAVE = ["has", "have"]
VERBS = ["seen", "left", "found", "taken", "lost"]
MEN, WOMEN = ["boy", "man", "king", "brother", "father", "uncle"], ["girl", "woman", "queen", "sister", "mother", "aunt"]
REFLEXIVE = ["saw", "hurt", "knew", "blamed", "watched", "forgot"]
VOWELS = ["old", "angry", "ugly", "empty", "idle"]
CONSONANTS = ["young", "quiet", "little", "dark", "great", "poor"]


def near(draw):
    """Subject and verb side by side."""
    number, noun = draw.randrange(2), draw.choice(NOUNS)
    verb, state = draw.choice([PAST, PRESENT]), draw.choice(STATES)
    return [f"The {noun[number]} {verb[number]} {state}.", f"The {noun[number]} {verb[1 - number]} {state}."]


def far(draw):
    """A noun of the other number between subject and verb."""
    number, noun, other = draw.randrange(2), draw.choice(NOUNS), draw.choice(THINGS)
    verb, state, word = draw.choice([PAST, PRESENT]), draw.choice(STATES), draw.choice(["near", "behind", "with", "beside"])
    start = f"The {noun[number]} {word} the {other[1 - number]}"
    return [f"{start} {verb[number]} {state}.", f"{start} {verb[1 - number]} {state}."]


def perfect(draw):
    """The number of has and have."""
    number, noun, verb = draw.randrange(2), draw.choice(NOUNS), draw.choice(VERBS)
    what = f"{verb} the {draw.choice(THINGS)[draw.randrange(2)]}"
    return [f"The {noun[number]} {HAVE[number]} {what}.", f"The {noun[number]} {HAVE[1 - number]} {what}."]


def determiner(draw):
    """The number of a noun and its determiner."""
    number, noun, place = draw.randrange(2), draw.choice(THINGS), draw.choice(PLACES)
    word = draw.choice([("this", "these"), ("that", "those")])[number]
    return [f"He saw {word} {noun[number]} in the {place}.", f"He saw {word} {noun[1 - number]} in the {place}."]


def reflexive(draw):
    """The gender of a reflexive pronoun."""
    gender, verb = draw.randrange(2), draw.choice(REFLEXIVE)
    who = draw.choice([MEN, WOMEN][gender])
    words = ["himself", "herself"]
    end = draw.choice(["", " again", " at last", " that night", " in the glass"])
    return [f"The {who} {verb} {words[gender]}{end}.", f"The {who} {verb} {words[1 - gender]}{end}."]


def article(draw):
    """a and an."""
    vowel, noun = draw.randrange(2), draw.choice(NOUNS)[0]
    word = draw.choice([CONSONANTS, VOWELS][vowel])
    words, verb = ["a", "an"], draw.choice(["met", "saw", "knew", "heard", "found"])
    who = draw.choice(["She", "He", "They", "We", "I"])
    return [f"{who} {verb} {words[vowel]} {word} {noun}.", f"{who} {verb} {words[1 - vowel]} {word} {noun}."]


def main():
    draw = random.Random(0)
    for name, make in [("agreement", near), ("agreement-at-a-distance", far), ("perfect", perfect), ("determiner", determiner),
                       ("reflexive", reflexive), ("article", article)]:
        seen = {}
        while len(seen) < 100:
            good, bad = make(draw)
            seen.setdefault(good, bad)
        for good, bad in seen.items():
            print(json.dumps({"good": good, "bad": bad, "phenomenon": name}))


main()
