"""Results of the index benchmark as a record: a CSV, and a picture of recall against queries per second.

usage: ann_record.py OUT-WITHOUT-SUFFIX "COMMAND THAT MADE THEM" results.jsonl...
Medians over the rounds, by CPU time of the contender. Needs nothing beside Python."""
import json
import math
import sys
from statistics import median

out, command, files = sys.argv[1], sys.argv[2], sys.argv[3:]
rows = [json.loads(line) for name in files for line in open(name)]

points = {}
lines = ["data,phase,filter,peer,effort,recall,qps_cpu,rounds"]
for r in rows:
    if "recall" in r and r["phase"] in ("search", "filter", "update"):
        # Before its first day of changes an index is as it was built.
        passing = {None: "", 100: "10 %", 10: "1 %"}[r.get("lt")] if r.get("day", 0) == 0 else f"day {r['day']}"
        phase = "search" if r.get("day") == 0 else r["phase"]
        key = r["ds"], phase, passing, r["peer"], r["effort"]
        points.setdefault(key, []).append((r["recall"], r["qps_cpu"]))
for (data, phase, passing, peer, effort), found in points.items():
    recall, qps = (median(column) for column in zip(*found))
    lines.append(f"{data},{phase},{passing},{peer},{effort},{recall:.4f},{qps:.0f},{len(found)}")
lines += ["", "data,peer,phase,what,value"]
for r in rows:
    if r["phase"] not in ("search", "filter", "update") or "day" in r and "recall" in r:
        skip = {"phase", "peer", "ds", "t", "rep", "lt"}
        lines += [f"{r['ds']},{r['peer']},{r['phase']},{k},{v}" for k, v in r.items() if k not in skip]
with open(out + ".csv", "w") as file:
    file.write(f"# {command}\n" + "\n".join(lines) + "\n")

colours = ["#0b6", "#36c", "#c33", "#a4a", "#c80", "#088", "#666", "#930"]
sets = sorted({key[0] for key in points if key[1] == "search"})
peers = sorted({key[3] for key in points})
width, height, gap = 520, 360, 60
svg = [
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(sets) * (width + gap) + gap} {height + 2 * gap}" '
    'font-family="sans-serif" font-size="12">'
]
for place, data in enumerate(sets):
    left, top = gap + place * (width + gap), gap
    curves = {}
    for (d, phase, _, peer, _), found in points.items():
        if d == data and phase == "search":
            recall, qps = (median(column) for column in zip(*found))
            if recall >= 0.8:
                curves.setdefault(peer, []).append((recall, qps))
    speeds = [qps for curve in curves.values() for _, qps in curve]
    low, high = math.log10(min(speeds)), math.log10(max(speeds))
    # Recall as the number of misses, so that 0.99 has room.
    across = lambda recall: left + width * math.log(0.2 / max(1 - recall, 0.002)) / math.log(100)
    up = lambda qps: top + height * (high - math.log10(qps)) / max(high - low, 0.1)
    svg.append(f'<text x="{left}" y="{top - 20}" font-size="15">{data}: queries per CPU second by recall at 10</text>')
    for recall in (0.8, 0.9, 0.95, 0.98, 0.99, 0.995):
        x = across(recall)
        svg.append(f'<path d="M{x:.1f} {top}V{top + height}" stroke="#ddd"/>')
        svg.append(f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{recall}</text>')
    for qps in (s * 10**e for e in range(2, 6) for s in (1, 2, 5)):
        if low <= math.log10(qps) <= high:
            y = up(qps)
            svg.append(f'<path d="M{left} {y:.1f}H{left + width}" stroke="#ddd"/>')
            svg.append(f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end">{qps:,}</text>')
    for peer, curve in curves.items():
        colour = colours[peers.index(peer) % len(colours)]
        path = " ".join(f"{across(r):.1f},{up(q):.1f}" for r, q in sorted(curve))
        thick = 3 if peer.startswith("twinset") else 1.5
        svg.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"/>')
for at, peer in enumerate(peers):
    x, colour = gap + 130 * at, colours[at % len(colours)]
    svg.append(f'<text x="{x}" y="{height + 2 * gap - 8}" fill="{colour}">{peer}</text>')
with open(out + ".svg", "w") as file:
    file.write("\n".join(svg) + "\n</svg>\n")
