"""Our training against PyTorch on the same networks, batches and losses' shapes, one run, round by round.

Usage: compare.py SPEED [--threads 2] [--rounds 5] [--steps 6]

SPEED is the built example (`cargo build --release -p twinset-train --example speed`). Each round times PyTorch, then
ours, so that a busy machine hits both; all rounds and the ratio of the medians are told as CSV, in pictures a second.
PyTorch trains the same layers with AdamW and clipping; of our detector's loss it has the dense part only, and it keeps
no moving average of the weights. Needs the package torch.
"""
import argparse, os, statistics, subprocess, time
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, channels, out, kernel=3, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(out)
        self.identity = channels == out and kernel == 3 and stride == 1

    def forward(self, x):
        y = self.norm(self.conv(x))
        return F.relu(y + x if self.identity else y, inplace=True)


def stage(channels, out, convs):
    return nn.Sequential(*(Block(channels if j == 0 else out, out, stride=2 if j == 0 else 1) for j in range(convs)))


class Embedder(nn.Module):
    pictures, side = 64, 128

    def __init__(self):
        super().__init__()
        self.stem = Block(3, 32, stride=2)
        self.stages = nn.ModuleList([stage(32, 64, 2), stage(64, 128, 3), stage(128, 256, 6)])
        self.local, self.neck = nn.Conv2d(128, 65, 1), nn.BatchNorm1d(256)
        self.head, self.category, self.pattern = nn.Linear(256, 256), nn.Linear(256, 17), nn.Linear(256, 13)
        self.memory = F.normalize(torch.randn(4096, 256))

    def loss(self, x):
        x = self.stages[1](self.stages[0](self.stem(x)))
        tokens = self.local(x)
        x = F.relu(self.stages[2](x)).clamp_min(1e-6)
        pooled = self.neck((x * x * x).mean((2, 3)).pow(1 / 3))
        embedding = F.normalize(self.head(pooled))
        labels = torch.arange(len(embedding)) // 2
        total = F.cross_entropy(self.category(pooled), labels % 17) + 0 * self.pattern(pooled).mean()
        for length, share in ((256, 1.0), (64, 0.3)):
            rows = F.normalize(embedding[:, :length])
            columns = torch.cat([rows, F.normalize(self.memory[:, :length])])
            logits = (rows @ columns.T / 0.08).fill_diagonal_(-1e4)
            positive = torch.arange(len(rows)) ^ 1
            total = total + share * F.cross_entropy(logits, positive)
        return total + 0 * tokens.mean()


class Detector(nn.Module):
    pictures, side = 16, 192

    def __init__(self):
        super().__init__()
        self.stem = Block(3, 16, stride=2)
        widths = [(16, 32, 2), (32, 64, 3), (64, 128, 3), (128, 192, 2)]
        self.stages = nn.ModuleList([stage(*w) for w in widths])
        self.lateral = nn.ModuleList([Block(w[1], 64, 1) for w in widths[1:]])
        self.out = nn.ModuleList([Block(64, 64) for _ in range(3)])
        self.shared = nn.Sequential(Block(64, 64), Block(64, 64))
        self.scores, self.sides = nn.Conv2d(64, 18, 1), nn.Conv2d(64, 32, 1)

    def loss(self, x):
        x, maps = self.stem(x), []
        for i, layers in enumerate(self.stages):
            x = layers(x)
            if i >= 1:
                maps.append(self.lateral[i - 1](x))
        for i in (1, 0):
            maps[i] = maps[i] + F.interpolate(maps[i + 1], scale_factor=2)
        maps = [self.shared(out(m)) for out, m in zip(self.out, maps)]
        scores = torch.cat([self.scores(m).flatten(2) for m in maps], 2)
        sides = torch.cat([self.sides(m).flatten(2) for m in maps], 2)
        return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, 0.1)) + sides.square().mean()


def torch_speed(kind, steps):
    torch.manual_seed(1)
    net = kind().to(memory_format=torch.channels_last).train()
    pictures = torch.randn(kind.pictures, 3, kind.side, kind.side).contiguous(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-4)
    for step in range(steps + 1):
        if step == 1:
            start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        net.loss(pictures).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
    return kind.pictures * steps / (time.perf_counter() - start)


def our_speed(program, threads):
    told = subprocess.run([program], env={**os.environ, "RAYON_NUM_THREADS": str(threads)}, check=True, capture_output=True, text=True)
    return {line.split(":")[0]: float(line.split()[1]) for line in told.stdout.splitlines()}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("speed"), p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5), p.add_argument("--steps", type=int, default=6)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    print(f"# torch {torch.__version__}, {a.threads} threads\nnetwork,round,torch,ours")
    rounds = {"embedder": [], "detector": []}
    for r in range(a.rounds):
        theirs = {name: torch_speed(kind, a.steps) for name, kind in (("embedder", Embedder), ("detector", Detector))}
        ours = our_speed(a.speed, a.threads)
        for name, pairs in rounds.items():
            pairs.append((theirs[name], ours[name]))
            print(f"{name},{r},{theirs[name]:.1f},{ours[name]:.1f}", flush=True)
    for name, pairs in rounds.items():
        theirs, ours = (statistics.median(column) for column in zip(*pairs))
        print(f"{name},median,{theirs:.1f},{ours:.1f}\n{name},ratio,,{ours / theirs:.2f}")


main()
