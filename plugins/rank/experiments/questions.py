"""Questions for rank classification, one answer a line: {"prompt": …, "answer": …, "right": 1 or 0}.

python questions.py > questions.jsonl

Lines in a row with the same prompt are one question. The answers need little knowledge: pronouns, set phrases, parts of speech, so
that small models of novels have a chance above a blind guess.
"""
import json
import random

PEOPLE = [("The old man", "he"), ("The young lady", "she"), ("The boy", "he"), ("The girl", "she"), ("My father", "he"), ("My mother", "she"),
          ("The two brothers", "they"), ("The children", "they"), ("His wife", "she"), ("Her husband", "he"), ("The soldiers", "they"), ("The queen", "she")]
DID = ["said that", "thought that", "was sure that", "told me that", "believed that"]
PHRASES = [("once upon a", "time", ["house", "very", "him"]), ("up and", "down", ["house", "time", "man"]), ("day and", "night", ["hand", "room", "went"]),
           ("husband and", "wife", ["road", "day", "old"]), ("black and", "white", ["door", "soon", "came"]), ("from top to", "bottom", ["morning", "him", "said"]),
           ("from head to", "foot", ["voice", "night", "said"]), ("again and", "again", ["house", "man", "door"]), ("more and", "more", ["man", "hand", "room"]),
           ("side by", "side", ["night", "old", "went"]), ("little by", "little", ["door", "went", "him"]), ("for ever and", "ever", ["man", "room", "hand"]),
           ("ladies and", "gentlemen", ["evening", "went", "old"]), ("hand in", "hand", ["went", "soon", "said"]), ("sooner or", "later", ["house", "him", "day"]),
           ("brothers and", "sisters", ["night", "said", "very"]), ("here and", "there", ["him", "man", "old"]), ("in the middle of the", "night", ["went", "said", "very"]),
           ("he shook his", "head", ["went", "very", "him"]), ("she opened the", "door", ["said", "very", "him"])]
PLACES = ["in the garden", "at the door", "on the road", "in the house", "by the river"]


def line(prompt, answer, right):
    print(json.dumps({"prompt": prompt, "answer": answer, "right": int(right)}))


def main():
    draw = random.Random(0)
    seen = set()
    while len(seen) < 60:
        (who, pronoun), did, place = draw.choice(PEOPLE), draw.choice(DID), draw.choice(PLACES)
        prompt = f"{who} {place} {did}"
        if prompt in seen:
            continue
        seen.add(prompt)
        for answer in ["he", "she", "they"]:
            line(prompt, f" {answer}", answer == pronoun)
    for start, right, wrong in PHRASES:
        for before in ["It was so, ", "And then, ", "I remember it well: "]:
            answers = [(right, True), *((one, False) for one in wrong)]
            draw.shuffle(answers)
            for answer, is_right in answers:
                line(before + start, f" {answer}", is_right)


main()
