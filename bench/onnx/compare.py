"""Our kernels against ONNX Runtime on the same exported networks, one run, round by round.

Usage: compare.py MODELS_DIR NET_SPEED [--threads 1] [--rounds 5] [--keep OUT_DIR]

MODELS_DIR holds `detector` and `embedder`; NET_SPEED is the built example (`cargo build --release -p twinset-nets
--example net_speed`), called with `networks`. Each round times ONNX Runtime, then ours, so that a busy machine hits
both; the best of all rounds is told, in milliseconds, as CSV. Needs the packages onnx, onnxruntime, safetensors, numpy.
"""
import argparse, json, pathlib, subprocess, time
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


class Graph:
    def __init__(self, folder):
        self.card = json.loads((folder / "card.json").read_text())
        self.weights = {k: v.astype(np.float32) for k, v in load_file(folder / "weights.safetensors").items()}
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind, *inputs, **attributes):
        self.count += 1
        self.nodes.append(helper.make_node(kind, inputs, [f"t{self.count}"], **attributes))
        return f"t{self.count}"

    def conv(self, name, x, stride=1, relu=True):
        w = self.weights[f"{name}.weight"]
        pad = w.shape[2] // 2
        y = self.op("Conv", x, self.constant(w), self.constant(self.weights[f"{name}.bias"]),
                    kernel_shape=w.shape[2:], pads=[pad] * 4, strides=[stride] * 2)
        return self.op("Relu", y) if relu else y

    def backbone(self):
        a, x, maps = self.card["architecture"], "x", []
        x = self.conv("stem", x, 2)
        for stage, (_, convs) in enumerate(a["stages"], 1):
            for i in range(convs):
                x = self.conv(f"s{stage}.{i}", x, 2 if i == 0 else 1)
            maps.append(x)
        return maps

    def model(self, outputs):
        side = self.card["architecture"]["side"]
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, side, side])
        outs = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs]
        graph = helper.make_graph(self.nodes, self.card["name"], [x], outs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def embedder(folder):
    g = Graph(folder)
    maps = g.backbone()
    p = float(g.weights["gem.p"][0])
    power = lambda x, e: g.op("Pow", x, g.constant(np.array(e, np.float32)))
    pooled = g.op("ReduceMean", power(g.op("Clip", maps[-1], g.constant(np.array(1e-6, np.float32))), p), axes=[2, 3], keepdims=0)
    pooled = power(pooled, 1 / p)
    outs = [g.op("Gemm", pooled, g.constant(g.weights[f"{n}.weight"]), g.constant(g.weights[f"{n}.bias"]), transB=1)
            for n in ("head", "category", "pattern") if f"{n}.weight" in g.weights]
    return g.model([*outs, g.conv("local", maps[-2], relu=False)])


def detector(folder):
    g = Graph(folder)
    a, maps = g.card["architecture"], g.backbone()
    levels = len(a["strides"])
    first = len(a["stages"]) - levels + 1
    sides = [g.conv(f"lat{first + i}", maps[first - 1 + i]) for i in range(levels)]
    for i in reversed(range(levels - 1)):
        up = g.op("Resize", sides[i + 1], "", g.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest",
                  coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        sides[i] = g.op("Add", sides[i], up)
    outs = []
    for i, x in enumerate(sides):
        x = g.conv(f"out{first + i}", x)
        for j in range(a["head_convs"]):
            x = g.conv(f"head.{j}", x)
        outs += [g.conv("cls", x, relu=False), g.conv("reg", x, relu=False)]
    return g.model(outs)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("models"), p.add_argument("net_speed"), p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=5), p.add_argument("--keep")
    a = p.parse_args()
    sessions = {}
    for kind, build in (("embedder", embedder), ("detector", detector)):
        model = build(pathlib.Path(a.models) / kind)
        if a.keep:
            onnx.save(model, pathlib.Path(a.keep) / f"{kind}.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = a.threads, 1
        sessions[kind] = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    best = {}
    for _ in range(a.rounds):
        for kind, session in sessions.items():
            shape = session.get_inputs()[0].shape
            x = np.random.default_rng(1).standard_normal(shape, np.float32)
            for _ in range(30):
                start = time.perf_counter()
                session.run(None, {"x": x})
                ms = (time.perf_counter() - start) * 1e3
                best[kind, "onnxruntime"] = min(ms, best.get((kind, "onnxruntime"), ms))
        for line in subprocess.run([a.net_speed, "networks"], capture_output=True, text=True, check=True).stdout.splitlines():
            words = line.split()
            if len(words) > 4 and words[1] in sessions:
                kernel, kind, ms = words[0], words[1], float(words[4])
                best[kind, kernel] = min(ms, best.get((kind, kernel), ms))
    print(f"network,engine,ms\n" + "\n".join(f"{k},{e},{v:.2f}" for (k, e), v in sorted(best.items())))
    print(f"# onnxruntime {onnxruntime.__version__}, {a.threads} thread(s); ours uses one thread an image")


main()
