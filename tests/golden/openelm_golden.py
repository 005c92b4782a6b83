"""OpenELM's part of make_family_golden.py: the oracle is mlx-lm, since Transformers does not have the family."""
import json

import torch
from make_family_golden import ALPHA, LENGTH, NEW, PROMPT, RANK, adapter_tensors, finish
from safetensors.torch import load_file, save_file


def to_mlx(tensor):
    import mlx.core as mx
    return mx.array(tensor.detach().numpy())


def write_openelm(folder, settings, seed):
    import mlx.core as mx
    import mlx.nn as nn
    import numpy
    from mlx.utils import tree_flatten
    from mlx_lm.models.openelm import Model, ModelArgs

    mx.set_default_device(mx.cpu)
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    model = Model(ModelArgs.from_dict(settings))
    torch.manual_seed(seed)
    weights = {}
    for name, value in sorted(tree_flatten(model.parameters())):
        norm = "norm" in name
        weights[name] = (torch.randn(value.shape) * (0.4 if norm else 0.2) + (1 if norm else 0)).to(torch.bfloat16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
    model.load_weights([(name, to_mlx(value)) for name, value in weights.items()])

    ids = torch.randint(0, settings["vocab_size"], (2, LENGTH), generator=torch.Generator().manual_seed(7))
    x = mx.array(ids.numpy())
    tensors = {"logits": torch.from_numpy(numpy.array(model(x)))}
    continued = ids[0, :PROMPT].tolist()
    for _ in range(NEW):
        continued.append(int(mx.argmax(model(mx.array([continued]))[0, -1])))

    linears = {name.removesuffix(".weight"): tuple(value.shape) for name, value in weights.items() if "proj" in name}
    adapter = adapter_tensors(linears)

    def loss(tensors):
        for name in linears:
            a, b = (tensors[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
            model.load_weights([(name + ".weight", to_mlx(weights[name + ".weight"]) + ALPHA / RANK * (b @ a))], strict=False)
        logits = model(x)[:, :-1]
        return mx.mean(nn.losses.cross_entropy(logits, x[:, 1:]))

    gradients = mx.grad(loss)({name: to_mlx(value) for name, value in adapter.items()})
    finish(folder, {**tensors, **adapter, **{"grad." + name: torch.from_numpy(numpy.array(value)) for name, value in gradients.items()}}, ids, continued[PROMPT:])
