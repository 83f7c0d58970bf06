#!/usr/bin/python3
"""FedAvg by hand in PyTorch and mpi4py: what Comity is measured against.

Written to be as fast as such a program gets without leaving Python, because a slow opponent proves nothing: one thread a
process, all parameters in one flat tensor, no optimiser object, no data loader, waits that give up the core. It reads the same
dataset as Comity (data/README.md: x, y, offsets, test) and does the same work: as many clients, examples, batches and epochs.

  alone:        torch_fedavg.py --data FILE --model 2nn --batch 10
  with server:  mpirun -n 3 torch_fedavg.py --data FILE --model 2nn --batch 10 --mpi     (rank 0 serves, the others train)

Prints "round N seconds S train S evaluate S accuracy A" for each round and "done params P peak_kib K,K,..." at the end.
"""
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read when torch is loaded
    os.environ[name] = "1"

import argparse
import ctypes
import math
import resource
import time

import h5py
import numpy as np
import torch
import torch.nn.functional as fun


def dense(units, inputs):
    return [(units, inputs), (units,)]


def conv(filters, channels):
    return [(filters, channels, 5, 5), (filters,)]


def logistic(x, p):
    return fun.linear(x, p[0], p[1])


def two_layers(x, p):
    for i in (0, 2):
        x = torch.relu(fun.linear(x, p[i], p[i + 1]))
    return fun.linear(x, p[4], p[5])


def two_convolutions(x, p):
    x = x.view(len(x), 1, 28, 28)
    for i in (0, 2):
        x = fun.max_pool2d(torch.relu(fun.conv2d(x, p[i], p[i + 1], padding=2)), 2)
    x = torch.relu(fun.linear(x.flatten(1), p[4], p[5]))
    return fun.linear(x, p[6], p[7])


# name: function, shapes of its parameters, examples that are evaluated at once (larger ones fall out of the caches)
MODELS = {
    "logistic": (logistic, dense(10, 60), 1000),
    "2nn": (two_layers, dense(200, 784) + dense(200, 200) + dense(10, 200), 1000),
    "cnn": (two_convolutions, conv(32, 1) + conv(64, 32) + dense(512, 3136) + dense(10, 512), 100),
}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", choices=list(MODELS), default="2nn")
    parser.add_argument("--per-round", type=int, default=10, help="clients a round")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--eval-every", type=int, default=1, help="0: never")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mpi", action="store_true")
    return parser.parse_args()


class Model:
    """One flat vector, tensors as views of it, and SGD on them."""

    def __init__(self, name, rate):
        self.function, self.shapes, self.evaluated = MODELS[name]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        self.flat = torch.zeros(sum(self.sizes))
        self.tensors = [view.requires_grad_() for view in self.views(self.flat)]
        self.rate = rate

    def views(self, vector):
        return [part.view(shape) for part, shape in zip(vector.split(self.sizes), self.shapes)]

    def initial(self):
        """Weights and biases from U(-1/sqrt(fan in), 1/sqrt(fan in)), PyTorch's own default."""
        vector = torch.empty_like(self.flat)
        for view in self.views(vector):
            bound = 1 / math.sqrt(math.prod(view.shape[1:])) if view.dim() > 1 else bound
            view.uniform_(-bound, bound)
        return vector

    def load(self, vector):
        with torch.no_grad():
            self.flat.copy_(vector)

    def train(self, x, y, scale, epochs, batch):
        for _ in range(epochs):
            order = torch.randperm(len(y))
            features = x[order].float().mul_(scale)
            for images, labels in zip(features.split(batch), y[order].split(batch)):
                loss = fun.cross_entropy(self.function(images, self.tensors), labels)
                gradient = torch.autograd.grad(loss, self.tensors)
                with torch.no_grad():
                    torch._foreach_add_(self.tensors, gradient, alpha=-self.rate)

    @torch.no_grad()
    def accuracy(self, x, y):
        right = 0
        for images, labels in zip(x.split(self.evaluated), y.split(self.evaluated)):
            right += (self.function(images, self.tensors).argmax(1) == labels).sum().item()
        return right / len(y)


class Data:
    """The flat layout of data/README.md. Pixels stay bytes until a client trains."""

    def __init__(self, path, trains, evaluates):
        with h5py.File(path, "r") as file:
            self.scale = float(file["x"].attrs.get("scale", 1))
            self.offsets = file["offsets"][:].astype(int)
            if trains:
                self.x, self.y = self.read(file)
            if evaluates:
                x, y = self.read(file["test"])
                self.test = x.float().mul_(self.scale), y

    @staticmethod
    def read(group):
        x, y = group["x"][:], group["y"][:]
        return torch.from_numpy(x.reshape(len(x), -1)), torch.from_numpy(y.astype(np.int64))

    def client(self, k):
        rows = slice(self.offsets[k], self.offsets[k + 1])
        return self.x[rows], self.y[rows]


def wait(request):
    """Test and sleep: a waiting process that spins takes the core from one that trains."""
    pause = 10e-6
    while not request.Test():
        time.sleep(pause)
        pause = min(2 * pause, 1e-3)


class Alone:
    rank, size = 0, 1

    def broadcast(self, vector):
        pass

    def add(self, part, whole):
        whole.copy_(part)

    def gather(self, value):
        return [value]


class Ranks:
    def __init__(self):
        from mpi4py import MPI
        self.comm = MPI.COMM_WORLD
        self.rank, self.size = self.comm.rank, self.comm.size

    def broadcast(self, vector):
        wait(self.comm.Ibcast(vector.numpy(), root=0))

    def add(self, part, whole):
        wait(self.comm.Ireduce(part.numpy(), whole.numpy() if self.rank == 0 else None, root=0))

    def gather(self, value):
        return self.comm.gather(value)


def keep_memory():
    """Large activations come and go with each step; keep their pages instead of asking the kernel for new ones each time."""
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3
    libc = ctypes.CDLL(None)
    for parameter, value in ((mmap_threshold, 1 << 30), (trim_threshold, 2000000000), (top_pad, 200000000)):
        libc.mallopt(parameter, value)


def main():
    o = options()
    torch.set_num_threads(1)
    torch.manual_seed(o.seed)
    if o.model == "cnn":
        keep_memory()
    ranks = Ranks() if o.mpi else Alone()
    trainers = max(ranks.size - 1, 1)
    turn = ranks.rank - 1 if ranks.size > 1 else 0  # this one among the trainers; -1 serves
    model = Model(o.model, o.lr)
    data = Data(o.data, trains=turn >= 0, evaluates=ranks.rank == 0 and o.eval_every > 0)
    whole = model.initial()
    part = torch.empty_like(whole)
    lengths = np.diff(data.offsets)
    choice = np.random.default_rng(o.seed)  # the same on every rank

    for r in range(1, o.rounds + 1):
        begin = time.perf_counter()
        chosen = choice.choice(len(lengths), o.per_round, replace=False)
        total = int(lengths[chosen].sum())
        ranks.broadcast(whole)
        part.zero_()
        for k in chosen[turn::trainers] if turn >= 0 else ():
            model.load(whole)
            model.train(*data.client(k), data.scale, o.epochs, o.batch)
            with torch.no_grad():
                part.add_(model.flat, alpha=int(lengths[k]) / total)
        ranks.add(part, whole)
        trained, accuracy = time.perf_counter(), float("nan")
        if ranks.rank == 0 and o.eval_every > 0 and r % o.eval_every == 0:
            model.load(whole)
            accuracy = model.accuracy(*data.test)
        end = time.perf_counter()
        if ranks.rank == 0:
            print(f"round {r} seconds {end - begin:.6f} train {trained - begin:.6f} evaluate {end - trained:.6f} "
                  f"accuracy {accuracy:.4f}", flush=True)

    peaks = ranks.gather(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    if ranks.rank == 0:
        print(f"done params {len(whole)} peak_kib {','.join(map(str, peaks))}")


main()
