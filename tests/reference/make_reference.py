#!/usr/bin/python3
"""Write the stored values of tests/reference/*.txt: whole training runs of small models in PyTorch, in double
precision. Run it from anywhere: /usr/bin/python3 make_reference.py (needs PyTorch; made with 1.13).

A file is a sequence of words and numbers, separated by white space:

    case NAME
    shape RANK SIZE...            of one example
    classes C targets T
    loss NAME l2 L2
    layers COUNT                  then for each: KIND UNITS KH KW SH SW PH PW
    batch B steps S parameters P
    initial P numbers             the parameter vector: layer by layer, weight then bias, row-major
    x S*B*width numbers           step s trains on examples s*B ... s*B+B-1
    y S*B*T numbers
    variants COUNT                then for each:
    variant NAME rate R momentum M nesterov 0|1 weight_decay W clip C
      for each step:
        loss NUMBER               of the step's batch before the step, with l2, without weight decay
        gradient P numbers        of that loss, before weight decay and clipping; only in the variant "plain"
        parameters P numbers      after the step; in other variants than "plain" only after the last step
    end

Local SGD as in PyTorch, velocity v = 0 at first: g += weight_decay * w, or g *= min(1, clip / |g|);
v = momentum * v + g; w -= rate * (g + momentum * v if nesterov else v)."""

import pathlib

import torch
from torch import nn
from torch.nn import functional as F

BATCH, STEPS = 6, 5
VARIANTS = [
    dict(name="plain"),
    dict(name="momentum", momentum=0.9),
    dict(name="nesterov", momentum=0.75, nesterov=1),
    dict(name="weight_decay", weight_decay=0.125),
    dict(name="clip", clip=0.0625),
    dict(name="clip_momentum", clip=0.0625, momentum=0.5),
]


def layer(kind, units=0, kernel=(0, 0), stride=(0, 0), padding=(0, 0)):
    return dict(kind=kind, units=units, kernel=kernel, stride=stride, padding=padding)


CASES = [
    dict(name="logistic", shape=(13,), classes=2, targets=1, loss="binary_cross_entropy", l2=0, rate=0.5,
         layers=[layer("dense", 1)]),
    dict(name="mlp", shape=(6,), classes=3, targets=1, loss="cross_entropy", l2=0.0625, rate=0.25,
         layers=[layer("dense", 7), layer("relu"), layer("dense", 5), layer("relu"), layer("dense", 3)]),
    dict(name="conv", shape=(2, 7, 6), classes=3, targets=1, loss="cross_entropy", l2=0, rate=0.5,
         layers=[layer("conv2d", 3, (3, 2), (2, 1), (1, 1)), layer("tanh"), layer("maxpool", 0, (2, 3), (1, 2), (1, 0)),
                 layer("conv2d", 4, (3, 3), (1, 1), (1, 1)), layer("sigmoid"),
                 layer("avgpool", 0, (3, 2), (2, 1), (1, 1)), layer("flatten"), layer("dense", 3)]),
    dict(name="regression", shape=(4,), classes=0, targets=2, loss="mean_squared_error", l2=0, rate=0.125,
         layers=[layer("dense", 6), layer("tanh"), layer("dense", 2)]),
]


def build(case):
    modules, shape = [], torch.zeros(1, *case["shape"])
    for spec in case["layers"]:
        window = dict(kernel_size=spec["kernel"], stride=spec["stride"], padding=spec["padding"])
        module = {
            "dense": lambda: nn.Linear(shape.shape[1], spec["units"]),
            "conv2d": lambda: nn.Conv2d(shape.shape[1], spec["units"], **window),
            "maxpool": lambda: nn.MaxPool2d(**window),
            "avgpool": lambda: nn.AvgPool2d(**window),
            "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "flatten": nn.Flatten,
        }[spec["kind"]]()
        shape = module(shape)
        modules.append(module)
    return nn.Sequential(*modules).double()


def coarse(tensor, steps):
    """Round to multiples of 1/steps: short to write, and exact in float32."""
    return torch.round(tensor * steps) / steps


def objective(case, model, x, y):
    z = model(x)
    if case["loss"] == "cross_entropy":
        loss = F.cross_entropy(z, y[:, 0].long())
    elif case["loss"] == "binary_cross_entropy":
        loss = F.binary_cross_entropy_with_logits(z, y)
    else:
        loss = F.mse_loss(z, y)
    return loss + case["l2"] / 2 * sum((p ** 2).sum() for p in model.parameters())


def flat(tensors):
    return torch.cat([t.detach().reshape(-1) for t in tensors])


def write(out, word, values):
    out.write(word)
    for i, value in enumerate(values):
        out.write(("\n" if i % 12 == 0 else " ") + f"{float(value):.9g}")
    out.write("\n")


def run(out, case, variant, initial, x, y):
    v = dict(momentum=0, nesterov=0, weight_decay=0, clip=0) | variant
    model = build(case)
    nn.utils.vector_to_parameters(initial.clone(), model.parameters())
    optimiser = torch.optim.SGD(model.parameters(), lr=case["rate"], momentum=v["momentum"],
                                nesterov=bool(v["nesterov"]), weight_decay=v["weight_decay"])
    out.write(f"variant {v['name']} rate {case['rate']} momentum {v['momentum']} nesterov {v['nesterov']} "
              f"weight_decay {v['weight_decay']} clip {v['clip']}\n")
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        optimiser.zero_grad()
        loss = objective(case, model, x[rows], y[rows])
        loss.backward()
        out.write(f"loss {loss.item():.12g}\n")
        gradient = flat(p.grad for p in model.parameters())
        if v["name"] == "plain":
            write(out, "gradient", gradient)
        if v["clip"] > 0:
            factor = min(1.0, v["clip"] / gradient.norm().item())
            for p in model.parameters():
                p.grad *= factor
        optimiser.step()
        if v["name"] == "plain" or step == STEPS - 1:
            write(out, "parameters", flat(model.parameters()))


def main():
    torch.manual_seed(20170215)
    for case in CASES:
        model = build(case)
        initial = coarse(flat(model.parameters()), 512)
        x = coarse(torch.randn(STEPS * BATCH, *case["shape"], dtype=torch.float64), 16)
        if case["classes"]:
            y = torch.randint(case["classes"], (STEPS * BATCH, 1)).double()
        else:
            y = coarse(torch.randn(STEPS * BATCH, case["targets"], dtype=torch.float64), 16)
        with open(pathlib.Path(__file__).parent / f"{case['name']}.txt", "w") as out:
            out.write(f"case {case['name']}\nshape {len(case['shape'])} {' '.join(map(str, case['shape']))}\n"
                      f"classes {case['classes']} targets {case['targets']}\nloss {case['loss']} l2 {case['l2']}\n"
                      f"layers {len(case['layers'])}\n")
            for spec in case["layers"]:
                numbers = (spec["units"], *spec["kernel"], *spec["stride"], *spec["padding"])
                out.write(f"{spec['kind']} {' '.join(map(str, numbers))}\n")
            out.write(f"batch {BATCH} steps {STEPS} parameters {len(initial)}\n")
            write(out, "initial", initial)
            write(out, "x", x.reshape(-1))
            write(out, "y", y.reshape(-1))
            out.write(f"variants {len(VARIANTS)}\n")
            for variant in VARIANTS:
                run(out, case, variant, initial, x, y)
            out.write("end\n")


main()
