"""Train the model on this machine's own documentation, and keep a checkpoint for record.py.

    pip install -r requirements.txt
    XLA_FLAGS=--xla_cpu_multi_thread_eigen=false taskset -c 1 nice -n 15 \
        python train.py --checkpoint /tmp/moe --steps 1750

Writes checkpoint.npz (weights, not to be kept), held_out.npz (the tokens that record.py draws
from) and training.json (text, losses, time) in the checkpoint folder. The same text, seeds and versions give the same steps, up to rounding.
"""

import argparse
import collections
import dataclasses
import functools
import json
import math
import os
import pathlib
import platform
import time

import jax
import jax.numpy as jnp
import numpy

import model
import text

SEED = {"parameters": 1, "batches": 2, "held_out_windows": 3}
REQUESTS = 8                # windows in a batch
PEAK_RATE = 3e-3
WARM_UP = 100               # steps
BALANCE = 0.003             # weight of the balance loss, as in DeepSeek-V2
DECAY = 0.05                # of matrices, for each step and unit of rate
CLIP = 1.0                  # norm of the gradient


def rate_at(step, steps):
    """Rises in a line, then falls along a cosine to a twentieth of its peak."""
    fall = 0.05 + 0.95 * 0.5 * (1 + jnp.cos(jnp.pi * step / steps))
    return PEAK_RATE * jnp.minimum((step + 1) / WARM_UP, fall)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3, 4))
def update(shape, steps, parameters, mean, square, tokens, step):
    """One step of AdamW; returns the new state, the loss in nats a token and the balance loss a layer."""
    def objective(parameters):
        losses, _, balance = model.token_losses(shape, parameters, tokens)
        return losses.mean() + BALANCE * balance, (losses.mean(), balance / shape.layers)

    gradient, (loss, balance) = jax.grad(objective, has_aux=True)(parameters)
    norm = jnp.sqrt(sum(jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(gradient)))
    gradient = jax.tree.map(lambda leaf: leaf * jnp.minimum(1, CLIP / norm), gradient)
    mean = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, mean, gradient)
    square = jax.tree.map(lambda old, new: 0.98 * old + 0.02 * new * new, square, gradient)
    rate = rate_at(step, steps)

    def moved(leaf, mean, square):
        direction = mean / (1 - 0.9 ** (step + 1)) / (jnp.sqrt(square / (1 - 0.98 ** (step + 1))) + 1e-8)
        return leaf - rate * (direction + (DECAY * leaf if leaf.ndim > 1 else 0))

    return jax.tree.map(moved, parameters, mean, square), mean, square, loss, balance


def windows(tokens, generator, count, length):
    """[count, length] tokens from random places."""
    starts = generator.integers(0, len(tokens) - length, count)
    return numpy.stack([tokens[start:start + length] for start in starts]).astype(numpy.int32)


def held_out_loss(shape, parameters, tokens, count):
    """Mean loss in nats a token over that many fixed held-out windows."""
    drawn = windows(tokens, numpy.random.default_rng(SEED["held_out_windows"]), count, shape.context + 1)
    return float(numpy.mean([model.held_out_losses(shape, parameters, drawn[first:first + 4])[0]
                             for first in range(0, count, 4)]))


def unigram(training, held_out, size):
    """Bits a held-out token: its own entropy, and its cost under the training text's frequencies."""
    share = numpy.bincount(held_out, minlength=size) / len(held_out)
    # One is added to each count, for tokens that the training text never shows.
    learned = (numpy.bincount(training, minlength=size) + 1) / (len(training) + size)
    entropy = -float(numpy.sum(share[share > 0] * numpy.log2(share[share > 0])))
    return {"entropy_bits": round(entropy, 4),
            "cross_entropy_bits": round(-float(numpy.sum(share * numpy.log2(learned))), 4)}


def save(folder, parameters, record):
    """Write the checkpoint under another name first, so that a stop midway leaves the last one whole."""
    leaves = {str(index): numpy.asarray(leaf) for index, leaf in enumerate(jax.tree.leaves(parameters))}
    numpy.savez(folder / "next.npz", **leaves)
    os.replace(folder / "next.npz", folder / "checkpoint.npz")
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")


def load(folder, shape):
    """The parameters of the last checkpoint."""
    saved = numpy.load(folder / "checkpoint.npz")
    form = jax.tree.structure(jax.eval_shape(functools.partial(model.initial_parameters, shape), 0))
    return jax.tree.unflatten(form, [jnp.asarray(saved[str(index)]) for index in range(form.num_leaves)])


def opening_record(shape, arguments, parameters, described, training, held_out):
    """What is known before the first step."""
    sizes = [leaf.size for leaf in jax.tree.leaves(parameters)]
    expert = 3 * shape.width * shape.expert_width
    idle = shape.layers * (shape.experts - shape.chosen) * expert
    return {
        "shape": dataclasses.asdict(shape), "parameters": sum(sizes),
        "parameters_a_token_uses": sum(sizes) - idle, "seeds": SEED,
        "text": described, "training_tokens": len(training), "held_out_tokens": len(held_out),
        "held_out_unigram": unigram(training, held_out, shape.vocabulary),
        "batch_tokens": REQUESTS * shape.context, "planned_steps": arguments.steps,
        "optimiser": {"name": "AdamW", "peak_rate": PEAK_RATE, "warm_up_steps": WARM_UP,
                      "weight_decay": DECAY, "clip_norm": CLIP},
        "balance_loss_weight": BALANCE,
        "machine": {"processor": processor_name(), "cores": os.cpu_count(),
                    "cores_used": len(os.sched_getaffinity(0)), "python": platform.python_version(),
                    "jax": jax.__version__, "numpy": numpy.__version__},
        "curve": [], "held_out_curve": [],
    }


def processor_name():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def train(shape, arguments):
    """Run the steps, or as many as the time allows, and leave the checkpoint and the record."""
    vocabulary, training, held_out_files, described = text.prepare(shape.vocabulary)
    text.save_held_out(arguments.checkpoint, held_out_files)
    held_out = numpy.concatenate([tokens for _, tokens in held_out_files])
    parameters = model.initial_parameters(shape, SEED["parameters"])
    record = opening_record(shape, arguments, parameters, described, training, held_out)
    print(json.dumps({key: record[key] for key in ("parameters", "parameters_a_token_uses", "training_tokens",
                                                   "held_out_tokens", "held_out_unigram")}), flush=True)
    mean, square = (jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
    generator = numpy.random.default_rng(SEED["batches"])
    begun, recent = time.monotonic(), collections.deque(maxlen=20)
    for step in range(arguments.steps):
        tokens = windows(training, generator, REQUESTS, shape.context + 1)
        parameters, mean, square, loss, balance = update(shape, arguments.steps, parameters, mean, square, tokens, step)
        recent.append((float(loss), float(balance)))
        done, seconds = step + 1, time.monotonic() - begun
        if done % 20 == 0:
            row = [done, round(seconds, 1), *(round(float(value), 4) for value in numpy.mean(recent, 0))]
            record["curve"].append(dict(zip(("step", "seconds", "loss_nats", "balance"), row)))
            print(*row, flush=True)
        last = done in (arguments.steps, arguments.stop) or seconds > 60 * arguments.minutes
        if done % 250 == 0 or last:
            value = held_out_loss(shape, parameters, held_out, 200 if last else 16)
            record["held_out_curve"].append({"step": done, "loss_nats": round(value, 4)})
            record.update(steps=done, wall_seconds=round(time.monotonic() - begun, 1),
                          held_out_loss_nats=round(value, 4), held_out_loss_bits=round(value / math.log(2), 4))
            save(arguments.checkpoint, parameters, record)
            print("held out", done, round(value, 4), flush=True)
        if last:
            break


def main():
    parser = argparse.ArgumentParser(description="Train the small mixture-of-experts language model.")
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True, help="folder for weights and record")
    parser.add_argument("--steps", type=int, default=1750, help="the steps that the learning rate is planned for")
    parser.add_argument("--stop", type=int, help="end after this step, short of the plan")
    parser.add_argument("--minutes", type=float, default=45, help="end after this long, whatever the step")
    arguments = parser.parse_args()
    arguments.checkpoint.mkdir(parents=True, exist_ok=True)
    train(model.Shape(), arguments)


if __name__ == "__main__":
    main()
