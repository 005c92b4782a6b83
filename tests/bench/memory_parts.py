"""Which parts of a memory repair what a softmax window lacks: each variant is fitted to full softmax attention layer by layer, on the base model's own
projections of a text's first four fifths, and scored on the rest. Prints the share of the window's squared error, behind the output projection
and beyond the window, that is left. A plain PyTorch model of docs/liza.md and of what else was tried; base and LoRA are not trained.

usage: memory_parts.py MODEL_DIR TEXT_FILE [WINDOW [STEPS [VARIANT..]]]      with the Python of .venv-peers; 64 and 100; about an hour for all
"""
import math
import pathlib
import sys
import time

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

source, text = sys.argv[1:3]
WINDOW, STEPS = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((3, 64), (4, 100)))
SINKS, T, CHUNK, TRAIN, TEST, LAYERS = 4, 1024, 64, 16, 4, [3, 11, 19, 27]
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval().requires_grad_(False)
H, G = model.config.num_attention_heads, model.config.num_key_value_heads
D, R = model.config.hidden_size // H, H // G
ALL = dict(maps=True, beta="learned", gate="token", scale="learned")  # learned_delta_rule, mag.mode token, branch_scale learned
VARIANTS = {
    "delta_rule, matched, a gate a head": {},
    "+ gate of the query": dict(gate="token"),
    "+ learned size": dict(scale="learned"),
    "+ maps": dict(maps=True),
    "+ learned beta, gate of the query, learned size": {**ALL, "maps": False},
    "all": ALL,
    "all but the gate of the query": {**ALL, "gate": "head"},
    "all but the learned size": {**ALL, "scale": "match"},
    "all but the learned beta": {**ALL, "beta": "pool"},
    "all, beta a learned vector": {**ALL, "beta": "vector"},
    "all, soft + mu * memory": {**ALL, "mix": "residual"},
    "all, tokens written as they leave the window": {**ALL, "delay": WINDOW},
    "all, q and k rotated": {**ALL, "rope": True},
    "all, a learned decay": {**ALL, "alpha": True},
    "all, no silu": {**ALL, "feature": "l2"},
    "all, features softmax(x)": {**ALL, "feature": "exp"},
    "all, features softmax(x, -x)": {**ALL, "feature": "hedgehog"},
}


def attend(q, k, v, mask):
    scores = (q @ k.repeat_interleave(R, 0).transpose(1, 2)) / D**0.5
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), -1) @ v.repeat_interleave(R, 0)


@torch.no_grad()
def projections():
    """Of each chosen layer and text: raw and rotated q [H, T, D], k and v [G, T, D], the heads of full softmax and of the window."""
    ids = torch.tensor(AutoTokenizer.from_pretrained(source)(pathlib.Path(text).read_text()).input_ids)
    cut = len(ids) * 4 // 5
    starts = [s for low, high, n in ((0, cut, TRAIN), (cut, len(ids), TEST)) for s in torch.linspace(low, high - T, n).long().tolist()]
    found = {layer: [] for layer in LAYERS}
    for layer in LAYERS:
        for name, heads in (("q", H), ("k", G), ("v", G)):
            def keep(module, inputs, out, layer=layer, name=name, heads=heads):
                found[layer][-1][name] = out[0].view(T, heads, D).transpose(0, 1)
            getattr(model.model.layers[layer].self_attn, name + "_proj").register_forward_hook(keep)
    position = torch.arange(T)
    cos, sin = (x[0] for x in model.model.rotary_emb(torch.zeros(1, T, 1), position[None]))
    causal = position[:, None] >= position
    near = causal & ((position[:, None] - position < WINDOW) | (position < SINKS))
    for start in starts:
        for texts in found.values():
            texts.append({})
        model.model(input_ids=ids[None, start:start + T])
    for x in (x for texts in found.values() for x in texts):
        for name in "qk":
            x[name + " rotated"] = x[name] * cos + torch.cat([-x[name][..., D // 2:], x[name][..., :D // 2]], -1) * sin
        x["full"], x["window"] = (attend(x["q rotated"], x["k rotated"], x["v"], mask) for mask in (causal, near))
    return found


def l2norm(x):
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-6)


def delta_rule(q, k, v, beta, log_alpha):
    """Chunk by chunk, with a decay a token: q [H, T, M], k, beta [G, T, M], v [G, T, D], log_alpha [G, T] -> [H, T, D]."""
    n = T // CHUNK
    q, k, v, beta = q.view(G, R, n, CHUNK, -1), *(x.reshape(G, n, CHUNK, -1) for x in (k, v, beta))
    kb, c = k * beta, log_alpha.view(G, n, CHUNK).cumsum(-1)
    decay, grown = torch.exp(torch.tril(c[..., :, None] - c[..., None, :])), torch.exp(c)[..., None]
    a = torch.tril(k @ kb.transpose(-1, -2) * decay, -1) + torch.eye(CHUNK)
    u0, w = torch.linalg.solve_triangular(a, torch.cat([v, k * grown], -1), upper=False, unitriangular=True).split([D, k.shape[-1]], -1)
    scores = torch.tril(q @ kb.transpose(-1, -2)[:, None] * decay[:, None])
    state, out = torch.zeros(G, k.shape[-1], D), []
    for i in range(n):
        u = u0[:, i] - w[:, i] @ state
        out.append((q[:, :, i] * grown[:, None, i]) @ state[:, None] + scores[:, :, i] @ u[:, None])
        state = grown[:, i, -1:] * state + (kb[:, i] * torch.exp(c[:, i, -1:] - c[:, i])[..., None]).transpose(-1, -2) @ u
    return torch.stack(out, 2).reshape(H, T, D)


class Memory(torch.nn.Module):
    def __init__(self, maps=False, beta="pool", gate="head", scale="match", mix="convex", delay=0, rope=False, alpha=False, feature="silu"):
        super().__init__()
        self.options = dict(maps=maps, beta=beta, gate=gate, scale=scale, mix=mix, delay=delay, rope=rope, alpha=alpha, feature=feature)
        zeros = lambda *shape: torch.nn.Parameter(torch.zeros(*shape))
        self.width = 2 * D if feature == "hedgehog" else D
        self.q_map, self.k_map = (torch.nn.Parameter(torch.eye(D).repeat(heads, 1, 1)) for heads in (H, G))
        self.gate, self.gate_weight, self.size = torch.nn.Parameter(torch.full((H,), math.log(1 / 9))), zeros(H, D), zeros(H)
        self.beta_weight, self.beta_bias = zeros(G, D, self.width if beta == "vector" else 1), zeros(G, self.width if beta == "vector" else 1)
        self.alpha_weight, self.alpha_bias = zeros(G, D), torch.nn.Parameter(torch.full((G,), 6.0))

    def features(self, x):
        if self.options["feature"] == "hedgehog":
            x = torch.cat([x, -x], -1)
        kind = self.options["feature"]
        return l2norm(x if kind == "l2" else F.silu(x) if kind == "silu" else torch.softmax(x, -1))

    def beta(self, k):
        if self.options["beta"] == "pool":
            return torch.sigmoid(torch.cat([k[:, :1], k[:, :1], k], 1).unfold(1, 3, 1).mean(-1))
        return torch.sigmoid(k @ self.beta_weight + self.beta_bias[:, None]).expand(-1, -1, self.width)

    def forward(self, x):
        o = self.options
        q, k = (x[name + (" rotated" if o["rope"] else "")] for name in "qk")
        written = self.beta(x["k"])
        if o["maps"]:
            q, k = q @ self.q_map, k @ self.k_map
        q, k, v = self.features(q), self.features(k), x["v"] / D**0.5
        if o["delay"]:
            k, v, written = (torch.cat([torch.zeros_like(y[:, :o["delay"]]), y[:, :-o["delay"]]], 1) for y in (k, v, written))
        log_alpha = F.logsigmoid((x["k"] * self.alpha_weight[:, None]).sum(-1) + self.alpha_bias[:, None]) if o["alpha"] else torch.zeros(G, T)
        memory = delta_rule(q, k, v, written, log_alpha)
        square = lambda y: y.square().mean(-1, keepdim=True) + 1e-6
        if o["scale"] == "match":
            memory = memory * (square(x["window"]) / square(memory)).sqrt()
        else:
            memory = memory * D**0.5 * self.size.exp()[:, None, None]
        logit = self.gate[:, None] + ((x["q"] * self.gate_weight[:, None]).sum(-1) if o["gate"] == "token" else 0)
        mu = torch.sigmoid(logit)[..., None]
        return x["window"] + mu * (memory if o["mix"] == "residual" else memory - x["window"])


def error(layer, heads, x):
    beyond = (heads - x["full"])[:, WINDOW + SINKS:].transpose(0, 1).flatten(1)
    return (beyond @ model.model.layers[layer].self_attn.o_proj.weight.T).square().mean()


def left(layer, texts, options):
    """Of the window's error on the texts kept back, after STEPS steps of Adam on the others."""
    torch.manual_seed(0)
    memory = Memory(**options)
    single = {"gate", "size", "beta_bias", "alpha_bias"}
    groups = [{"params": [p for n, p in memory.named_parameters() if (n in single) == quick], "lr": rate, "rate": rate}
              for quick, rate in ((True, 0.05), (False, 0.01))]
    optimizer = torch.optim.Adam(groups)
    of_window = torch.stack([error(layer, x["window"], x) for x in texts])
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * min(1, 2 * (STEPS - step) / STEPS)
        x = texts[step % TRAIN]
        loss = error(layer, memory(x), x) / of_window[:TRAIN].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return torch.stack([error(layer, memory(x), x) for x in texts[TRAIN:]]).mean() / of_window[TRAIN:].mean()


if __name__ == "__main__":
    found = projections()
    print(f"window {WINDOW} and {SINKS} sinks, {STEPS} steps\n")
    print("| | " + " | ".join(f"layer {layer}" for layer in LAYERS) + " | mean |\n|" + "---|" * (len(LAYERS) + 2))
    for name in sys.argv[5:] or VARIANTS:
        began = time.time()
        shares = [left(layer, texts, VARIANTS[name]).item() for layer, texts in found.items()]
        print(f"| {name} | " + " | ".join(f"{share:.2f}" for share in shares) + f" | {sum(shares) / len(shares):.3f} |", flush=True)
        print(f"{name}: {time.time() - began:.0f} s", file=sys.stderr)
