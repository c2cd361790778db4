"""Record the trained model's choice of experts on held-out text: prompts, then sampled tokens.

    XLA_FLAGS=--xla_cpu_multi_thread_eigen=false taskset -c 1 nice -n 15 \
        python record.py --checkpoint /tmp/moe --output raw

Writes switchyard-docs-moe.experts.bin, .requests.csv, .meta.json and .training.json in the output
folder. The trace holds numbers of experts only, no text and no weights.
"""

import argparse
import csv
import functools
import json
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy

import model
import text
import train

NAME = "switchyard-docs-moe"
SEED = {"requests": 4, "sampling": 5}
PROMPT = (64, 105)          # tokens: the least, and one more than the most
GENERATED = (48, 89)


def draw_requests(held_out, count):
    """[(source, prompt tokens, tokens to generate)], the kinds of text in turn, no prompt overlapping another.

    A file is cut into pieces of the longest prompt's length and a prompt is the head of a piece.
    """
    generator = numpy.random.default_rng(SEED["requests"])
    pieces = {kind: [] for kind in text.KINDS}
    for name, tokens in held_out:
        whole = len(tokens) // (PROMPT[1] - 1)
        pieces[name.split("/")[0]] += [(name, piece) for piece in tokens[:whole * (PROMPT[1] - 1)].reshape(whole, -1)]
    queues = [[rows[index] for index in generator.permutation(len(rows))] for rows in pieces.values()]
    requests = []
    while len(requests) < count:
        for queue in filter(None, queues):
            name, piece = queue.pop()
            requests.append((name, piece[:generator.integers(*PROMPT)], int(generator.integers(*GENERATED))))
    return requests[:count]


def run(shape, parameters, requests):
    """Choices [request, position, layer, chosen] of all requests, which run side by side.

    Prompt positions are fed one at a time, as generated ones are: attention looks backwards only, so
    the choices are those of a whole prompt at once, up to rounding. Rows past a request's end are unused.
    """
    take_step = jax.jit(functools.partial(model.step, shape), donate_argnums=1)
    lengths = numpy.array([len(prompt) for _, prompt, _ in requests])
    tokens = numpy.zeros((len(requests), shape.context + 1), numpy.int32)
    for row, (_, prompt, _) in zip(tokens, requests):
        row[:len(prompt)] = prompt
    ends = lengths + [generated for _, _, generated in requests]
    choices = numpy.zeros((len(requests), shape.context, shape.layers, shape.chosen), numpy.uint8)
    cache, key = model.empty_cache(shape, len(requests)), jax.random.key(SEED["sampling"])
    for position in range(ends.max()):
        logits, choice, cache = take_step(parameters, cache, tokens[:, position], position)
        choices[:, position] = choice
        # The last token, the mark between files, is left out so that every request generates its drawn number of tokens.
        logits = logits.at[:, shape.vocabulary - 1].set(-jnp.inf)
        sampled = numpy.asarray(jax.random.categorical(jax.random.fold_in(key, position), logits))
        tokens[:, position + 1] = numpy.where(position + 1 < lengths, tokens[:, position + 1], sampled)
    return choices


def phase_statistics(trace, experts):
    """How skewed the load is and how often a token's experts serve the next one too, means over layers."""
    tokens, layers, chosen = trace.shape
    loads = numpy.stack([numpy.bincount(trace[:, layer].ravel(), minlength=experts) for layer in range(layers)])
    skew = loads.max(1) / loads.mean(1)
    ordered = numpy.sort(loads, 1)[:, ::-1] / (tokens * chosen)
    return {"tokens": tokens, "max_over_mean_load": round(float(skew.mean()), 3),
            "max_over_mean_load_by_layer": [round(float(value), 3) for value in skew],
            "share_of_busiest_eighth": round(float(ordered[:, :experts // 8].sum(1).mean()), 4),
            "idle_experts": int((loads == 0).sum())}


def next_token_reuse(trace, starts):
    """The share of a token's experts that the request's next token uses too, mean over layers."""
    same = (trace[1:, :, :, None] == trace[:-1, :, None, :]).any(3).mean((1, 2))
    inside = numpy.ones(len(same), bool)
    inside[starts[1:] - 1] = False
    return round(float(same[inside].mean()), 4)


def write(folder, shape, requests, choices):
    """Write the trace and return its statistics."""
    rows, pieces, is_prompt, first = [], [], [], 0
    for index, ((source, prompt, generated), choice) in enumerate(zip(requests, choices)):
        length = len(prompt) + generated
        rows.append([f"request_{index:03}", first, len(prompt), generated, source])
        pieces.append(choice[:length])
        is_prompt.append(numpy.arange(length) < len(prompt))
        first += length
    trace, is_prompt = numpy.concatenate(pieces), numpy.concatenate(is_prompt)
    trace.tofile(folder / f"{NAME}.experts.bin")
    with open(folder / f"{NAME}.requests.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            [["request", "first_token", "n_prefill", "n_decode", "source"], *rows])
    description = {"model": f"{NAME} (trained by Tools/record-routing)", "real": True,
                   "format": "uint8 [tokens][layers][topk], row-major", "tokens": len(trace),
                   "layers": shape.layers, "layer_ids": list(range(shape.layers)),
                   "experts": shape.experts, "topk": shape.chosen, "requests": len(rows)}
    (folder / f"{NAME}.meta.json").write_text(json.dumps(description, indent=1) + "\n")
    return {"seeds": SEED, "requests": len(rows), "all": phase_statistics(trace, shape.experts),
            "prefill": phase_statistics(trace[is_prompt], shape.experts),
            "decode": phase_statistics(trace[~is_prompt], shape.experts),
            "next_token_reuse": next_token_reuse(trace, numpy.array([row[1] for row in rows])),
            "next_token_reuse_by_chance": round(shape.chosen / shape.experts, 4)}


def main():
    parser = argparse.ArgumentParser(description="Record the experts that the trained model chooses.")
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True, help="folder that train.py filled")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--requests", type=int, default=300)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    begun, shape = time.monotonic(), model.Shape()
    record = json.loads((arguments.checkpoint / "training.json").read_text())
    requests = draw_requests(text.load_held_out(arguments.checkpoint), arguments.requests)
    choices = run(shape, train.load(arguments.checkpoint, shape), requests)
    record["recording"] = write(arguments.output, shape, requests, choices)
    record["recording"]["wall_seconds"] = round(time.monotonic() - begun, 1)
    (arguments.output / f"{NAME}.training.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record["recording"], indent=1))


if __name__ == "__main__":
    main()
