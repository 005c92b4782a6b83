"""Write train.jsonl and heldout.jsonl: one-line orders and the JSON they mean.

usage: make_samples.py [OUT_DIR]        standard library only; the same bytes on every run
README.md says what the rows hold and what keeps the held-out ones unseen.
"""
import json
import pathlib
import random
import re
import sys

ITEMS = ["mug", "cup", "plate", "pot", "pan", "jar", "chair", "table", "clock", "rug",
         "bucket", "brush", "box", "bag", "book", "pen", "hat", "shirt", "coat", "mat"]
COLORS = ["red", "blue", "green", "black", "white", "yellow", "gray", "brown"]
SIZES = ["small", "medium", "large"]
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
PLACES = ["door", "gate", "office", "garage", "kitchen", "lobby"]

TRAIN_PHRASES = [
    "could you send {}", "can you send me {}", "please send {}", "send us {} please", "I need {}", "we need {} today",
    "I would like {}", "I'd like {} please", "order {} for me", "please order {}", "get me {}", "we want {}",
    "can I have {}", "may we have {} please", "{} please", "{}, thank you", "hello, I want to buy {}", "add {} to my order",
    "put me down for {}", "we are out of stock, send {}", "my order is {}", "looking for {}", "just {} today", "ship {} to us"]
HELDOUT_PHRASES = [
    "could I get {}", "can you order {}", "please get us {}", "I want {} today", "we would like {}", "may I have {} please",
    "hi, we need {}", "{}, please send them", "could we buy {}", "send me {}, thanks"]
SHORT_TRAIN_PHRASES = ["I need {}", "order {}", "get me {}", "{} please", "send {}", "we want {}", "add {}"]
SHORT_HELDOUT_PHRASES = ["I want {}", "bring {}", "we need {}", "{}, thanks"]
TRAIN_NOTES = ["{}, leave it at the {}", "{}, drop it at the {}", "{}, please put it by the {}", "{}, delivery to the {}"]
HELDOUT_NOTES = ["{}, put it at the {}", "{}, please leave it by the {}", "{}, drop it by the {}"]

# A row in chatml may have 48 of SmolLM2's tokens; the pieces of its text count them to within two.
CHATML_TOKENS, MAX_TOKENS = 11, 48
PIECES = re.compile(r'm(?=ug)|[A-Za-z]+|[0-9]| (?=[0-9])|\]|[^\sA-Za-z0-9\]]+')


def pick(rng, values):
    # Only random() keeps its sequence across Python versions.
    return values[int(rng.random() * len(values))]


def plural(item):
    return item + ("es" if item.endswith(("sh", "x")) else "s")


def spoken(rng, quantity, size, color, item):
    numbers = [NUMBERS[quantity - 1], NUMBERS[quantity - 1], str(quantity)]
    number = pick(rng, numbers + ["a"] * 3 if quantity == 1 else numbers)
    return " ".join(word for word in (number, size, color, item if quantity == 1 else plural(item)) if word)


def is_heldout(size, color, item):
    """One (size, color, item) in five, what is not said counted as a value, is never trained on."""
    place = 2 * (SIZES + [None]).index(size) + 3 * (COLORS + [None]).index(color) + ITEMS.index(item)
    return place % 5 == 0


def thing(rng, heldout, null_rate):
    while True:
        size, color, item = pick(rng, SIZES), pick(rng, COLORS), pick(rng, ITEMS)
        if rng.random() < null_rate:
            size, color = pick(rng, [(None, color), (size, None), (None, color), (size, None), (None, None)])
        if is_heldout(size, color, item) == heldout:
            return 1 + int(rng.random() * 12), size, color, item


def make_row(rng, heldout):
    kind = rng.random()
    answer = {}
    if kind < 0.25:
        answer["items"] = [thing(rng, heldout, 0.15) for _ in range(2)]
        phrase = pick(rng, SHORT_HELDOUT_PHRASES if heldout else SHORT_TRAIN_PHRASES)
    else:
        answer["items"] = [thing(rng, heldout, 0.25)]
        phrase = pick(rng, HELDOUT_PHRASES if heldout else TRAIN_PHRASES)
    order = phrase.format(" and ".join(spoken(rng, *item) for item in answer["items"]))
    if kind >= 0.8:
        answer["note"] = pick(rng, PLACES)
        order = pick(rng, HELDOUT_NOTES if heldout else TRAIN_NOTES).format(order, answer["note"])
    return order, json.dumps(answer, separators=(",", ":"))


def write(path, count, seed, heldout):
    rng = random.Random(seed)
    rows = {}
    while len(rows) < count:
        order, answer = make_row(rng, heldout)
        if CHATML_TOKENS + len(PIECES.findall(order + answer)) <= MAX_TOKENS:
            rows[order] = answer
    with open(path, "w", newline="\n") as out:
        for order, answer in rows.items():
            messages = [{"role": "user", "content": order}, {"role": "assistant", "content": answer}]
            out.write(json.dumps({"messages": messages}) + "\n")


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    write(folder / "train.jsonl", 500, 1, False)
    write(folder / "heldout.jsonl", 100, 2, True)
