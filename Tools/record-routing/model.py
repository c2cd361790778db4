"""A small language model with fine-grained experts, in the manner of DeepSeekMoE.

Every layer is attention followed by experts: a softmax gate over 64 routed experts
chooses 6, whose weights are normalised to sum to one, and 2 shared experts serve
every token. This file is the model alone; train.py and record.py run it.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Shape:
    vocabulary: int = 2048
    context: int = 192          # tokens
    width: int = 160
    heads: int = 4
    layers: int = 8
    experts: int = 64
    chosen: int = 6             # routed experts a token uses
    shared: int = 2             # experts every token uses
    expert_width: int = 48
    capacity: float = 2.0       # rows an expert may take in training, as a multiple of the mean


def initial_parameters(shape, seed):
    """Parameters drawn from a normal distribution, 32-bit floats."""
    keys = iter(jax.random.split(jax.random.key(seed), 3 + 8 * shape.layers))

    def draw(*size, spread=None):
        return jax.random.normal(next(keys), size) * (spread or 1 / math.sqrt(size[-2]))

    width, inner = shape.width, shape.expert_width
    # Each layer adds twice to the same stream, so what it adds starts small.
    quiet = 1 / math.sqrt(2 * shape.layers)
    layers = [{
        "attention_scale": jnp.ones(width),
        "experts_scale": jnp.ones(width),
        "query_key_value": draw(width, 3 * width),
        "attention_out": draw(width, width, spread=quiet / math.sqrt(width)),
        "gate": draw(width, shape.experts, spread=0.02),
        "expert_in": draw(shape.experts, width, 2 * inner),
        "expert_out": draw(shape.experts, inner, width, spread=quiet / math.sqrt(inner)),
        "shared_in": draw(width, 2 * inner * shape.shared),
        "shared_out": draw(inner * shape.shared, width, spread=quiet / math.sqrt(inner * shape.shared)),
    } for _ in range(shape.layers)]
    return {"embedding": draw(shape.vocabulary, width, spread=1.0), "layers": layers,
            "scale": jnp.ones(width), "output": draw(width, shape.vocabulary)}


def normalise(x, scale):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6) * scale


def rotate(x, positions):
    """Rotary position embedding of [..., position, size]."""
    half = x.shape[-1] // 2
    angle = positions[:, None] * 10_000.0 ** (-jnp.arange(half) / half)
    left, right = x[..., :half], x[..., half:]
    return jnp.concatenate([left * jnp.cos(angle) - right * jnp.sin(angle),
                            right * jnp.cos(angle) + left * jnp.sin(angle)], -1)


def query_key_value(shape, layer, x, positions):
    """Query, key and value of [request, position, width], each [request, head, position, size]."""
    mixed = normalise(x, layer["attention_scale"]) @ layer["query_key_value"]
    query, key, value = jnp.split(mixed.reshape(*x.shape[:2], 3 * shape.heads, -1).swapaxes(1, 2), 3, 1)
    return rotate(query, positions), rotate(key, positions), value


def attend(layer, query, key, value, visible):
    """Attention's output; visible [query position, key position] says which keys a query may see."""
    score = jnp.einsum("bhqd,bhkd->bhqk", query, key) / math.sqrt(query.shape[-1])
    weight = jax.nn.softmax(jnp.where(visible, score, -1e9))
    mixed = jnp.einsum("bhqk,bhkd->bqhd", weight, value)
    return mixed.reshape(*mixed.shape[:2], -1) @ layer["attention_out"]


def gated(x, into, out):
    """The SwiGLU layer of one expert, or of each expert when the arrays carry a leading expert axis."""
    left, right = jnp.split(x @ into, 2, -1)
    return (jax.nn.silu(left) * right) @ out


def limited_experts(shape, layer, x, choice, weight):
    """The routed experts' output for [token, width], each expert taking at most its capacity of rows.

    The rows are sorted by expert into one array [expert, row, width], so that all experts are
    one batched product. Rows beyond the capacity are dropped: the later tokens of the batch lose.
    """
    tokens, rows = x.shape[0], int(x.shape[0] * shape.chosen / shape.experts * shape.capacity)
    flat = choice.reshape(-1)
    order = jnp.argsort(flat)
    expert = flat[order]
    rank = jnp.arange(flat.size) - jnp.searchsorted(expert, jnp.arange(shape.experts))[expert]
    nowhere = shape.experts * rows
    slot = jnp.where(rank < rows, expert * rows + rank, nowhere)
    token_of_slot = jnp.full(nowhere + 1, tokens).at[slot].set(order // shape.chosen)[:-1]
    slot_of_choice = jnp.zeros_like(slot).at[order].set(slot).reshape(choice.shape)
    nothing = jnp.zeros((1, shape.width))
    sent = jnp.concatenate([x, nothing])[token_of_slot].reshape(shape.experts, rows, shape.width)
    made = gated(sent, layer["expert_in"], layer["expert_out"]).reshape(nowhere, shape.width)
    return jnp.einsum("tkd,tk->td", jnp.concatenate([made, nothing])[slot_of_choice], weight)


def unlimited_experts(shape, layer, x, choice, weight):
    """The same without a limit: every expert runs on every token and only the chosen count."""
    made = gated(x[None], layer["expert_in"], layer["expert_out"])
    share = jnp.einsum("tke,tk->te", jax.nn.one_hot(choice, shape.experts), weight)
    return jnp.einsum("etd,te->td", made, share)


def mix_experts(shape, layer, x, run_experts):
    """The expert layer's output, the choice [request, position, chosen] and the balance loss.

    The choice is in falling order of the gate's probability. The balance loss is experts x sum over
    experts of (share of the choices) x (mean probability): 1 when balanced, more when skewed.
    """
    flat = normalise(x, layer["experts_scale"]).reshape(-1, shape.width)
    probability = jax.nn.softmax(flat @ layer["gate"])
    best, choice = jax.lax.top_k(probability, shape.chosen)
    routed = run_experts(shape, layer, flat, choice, best / best.sum(-1, keepdims=True))
    shared = gated(flat, layer["shared_in"], layer["shared_out"])
    load = jax.nn.one_hot(choice, shape.experts).sum((0, 1)) / choice.size
    balance = shape.experts * jnp.sum(load * probability.mean(0))
    return (routed + shared).reshape(x.shape), choice.reshape(*x.shape[:2], -1), balance


def predict(parameters, x):
    return normalise(x, parameters["scale"]) @ parameters["output"]


def forward(shape, parameters, tokens, run_experts=limited_experts):
    """Logits of [request, position], the choices of every layer and the summed balance loss."""
    positions = jnp.arange(tokens.shape[1])
    visible = positions[:, None] >= positions[None, :]
    x, choices, balance = parameters["embedding"][tokens], [], 0.0
    for layer in parameters["layers"]:
        x = x + attend(layer, *query_key_value(shape, layer, x, positions), visible)
        added, choice, loss = mix_experts(shape, layer, x, run_experts)
        x, balance = x + added, balance + loss
        choices.append(choice)
    return predict(parameters, x), jnp.stack(choices), balance


def empty_cache(shape, requests):
    """Keys and values of every layer for as many requests, no position filled."""
    size = (requests, shape.heads, shape.context, shape.width // shape.heads)
    return [(jnp.zeros(size), jnp.zeros(size)) for _ in range(shape.layers)]


def step(shape, parameters, cache, tokens, position):
    """One token of each request: logits, choices [request, layer, chosen] and the cache with this position."""
    positions = jnp.array([position])
    visible = jnp.arange(shape.context)[None, :] <= position
    x, choices, filled = parameters["embedding"][tokens][:, None], [], []
    for layer, (keys, values) in zip(parameters["layers"], cache):
        query, key, value = query_key_value(shape, layer, x, positions)
        keys = jax.lax.dynamic_update_slice_in_dim(keys, key, position, 2)
        values = jax.lax.dynamic_update_slice_in_dim(values, value, position, 2)
        filled.append((keys, values))
        x = x + attend(layer, query, keys, values, visible)
        added, choice, _ = mix_experts(shape, layer, x, unlimited_experts)
        x = x + added
        choices.append(choice[:, 0])
    return predict(parameters, x[:, 0]), jnp.stack(choices, 1), filled


def token_losses(shape, parameters, tokens, run_experts=limited_experts):
    """Loss in nats of each next token, the choices and the balance loss, for [request, context + 1] tokens."""
    logits, choices, balance = forward(shape, parameters, tokens[:, :-1], run_experts)
    right = jnp.take_along_axis(logits, tokens[:, 1:, None], -1)[..., 0]
    return jax.nn.logsumexp(logits, -1) - right, choices, balance


@functools.partial(jax.jit, static_argnums=0)
def held_out_losses(shape, parameters, tokens):
    """Loss in nats of each next token with no row dropped, and the choices."""
    losses, choices, _ = token_losses(shape, parameters, tokens, unlimited_experts)
    return losses, choices
