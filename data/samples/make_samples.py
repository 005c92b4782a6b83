"""Write train.jsonl and heldout.jsonl: one-line orders and the JSON they mean.

usage: make_samples.py [OUT_DIR]        standard library only; the same bytes on every run
An answer is {"items":[[quantity,item,size,color],...]}, size or color null where not said, with "note":place where there
is a delivery note. Rows take at most 48 tokens in chatml, so orders of two items use the short phrases.
"""
import json
import pathlib
import random
import sys

ITEMS = ["mug", "lamp", "chair", "table", "plate", "bowl", "spoon", "fork", "towel", "pillow", "basket", "candle", "clock",
         "vase", "rug", "shelf", "bottle", "tray", "bucket", "brush"]
PLURALS = {"shelf": "shelves", "brush": "brushes"}
COLORS = ["red", "blue", "green", "black", "white", "yellow", "gray", "pink"]
SIZES = ["small", "medium", "large"]
LONGEST_LINE = 188  # characters; keeps every row within 48 tokens
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
PLACES = ["door", "gate", "desk", "porch"]
TRAIN_PHRASES = ["could you send {}", "please send {}", "I need {}", "we want {}", "order {}", "get me {}", "I would like {}",
                 "can I have {}", "{} please", "send us {}", "we need {} today", "please order {}"]
HELDOUT_PHRASES = ["could I get {}", "please get us {}", "I want {} today", "can you order {}", "we would like {}"]
SHORT_TRAIN_PHRASES = ["I need {}", "order {}", "get me {}", "{} please", "send us {}", "we want {}"]
SHORT_HELDOUT_PHRASES = ["I want {}", "bring us {}", "we need {}"]
TRAIN_NOTES = ["{}, leave at the {}", "{}, drop at the {}", "{} to the {}"]
HELDOUT_NOTES = ["{}, put at the {}", "{} at the {}"]


def spoken(rng, qty, item, size, color):
    if qty == 1:
        number = rng.choice(["a", "one", "1"])
    else:
        number = rng.choice([WORDS[qty], str(qty)])
    noun = item if qty == 1 else PLURALS.get(item, item + "s")
    return " ".join(word for word in (number, size, color, noun) if word)


def thing(rng, heldout, optional):
    while True:
        item, size, color = rng.choice(ITEMS), rng.choice(SIZES), rng.choice(COLORS)
        # One triple in five is kept from training.
        unseen = (ITEMS.index(item) + 2 * SIZES.index(size) + 3 * COLORS.index(color)) % 5 == 0
        if unseen == heldout:
            break
    missing = rng.choice(optional)
    return rng.randint(1, 12), item, None if missing == "size" else size, None if missing == "color" else color


def row(rng, heldout):
    kind = rng.random()
    phrase = rng.choice(HELDOUT_PHRASES if heldout else TRAIN_PHRASES)
    place = None
    if kind < 0.25:
        items = [thing(rng, heldout, ["size", "color"]) for _ in range(2)]
        phrase = rng.choice(SHORT_HELDOUT_PHRASES if heldout else SHORT_TRAIN_PHRASES)
        order = phrase.format(" and ".join(spoken(rng, *item) for item in items))
    else:
        items = [thing(rng, heldout, ["", "", "size", "color"])]
        order = phrase.format(spoken(rng, *items[0]))
        if kind < 0.5:
            place = rng.choice(PLACES)
            order = rng.choice(HELDOUT_NOTES if heldout else TRAIN_NOTES).format(order, place)
    answer = json.dumps({"items": items} | ({"note": place} if place else {}), separators=(",", ":"))
    return {"messages": [{"role": "user", "content": order}, {"role": "assistant", "content": answer}]}


def write(path, count, seed, heldout):
    rng = random.Random(seed)
    seen, lines = set(), []
    while len(lines) < count:
        line = json.dumps(row(rng, heldout))
        if line not in seen and len(line) <= LONGEST_LINE:
            seen.add(line)
            lines.append(line)
    path.write_text("\n".join(lines) + "\n")


out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
write(out / "train.jsonl", 500, 1, False)
write(out / "heldout.jsonl", 100, 2, True)
