"""Features of a teacher network over the crops of a data set, once, for `twinset train embedder`.

Usage: features.py TEACHER.tflite SET_DIR OUT_DIR [--splits train] [--threads 1]

Writes OUT_DIR/SET.teacher.fbin (u32 rows, u32 columns, f32 rows; GeM p = 3 over the 7 x 7 map, length 1) and
OUT_DIR/SET.teacher.csv (file, x0, y0, x1, y1 of each row). A row is a box of a picture, or the whole picture
where it has none. Needs the packages ai-edge-litert, numpy and pillow; the trainer only reads the two files.
"""
import argparse, csv, io, json, pathlib, struct, sys, tarfile
import numpy as np
from PIL import Image
from ai_edge_litert.interpreter import Interpreter

MAPS = {"tf2_mobilenet_v2_1.0_224_ptq": 171, "mobilenet_v2_1.0_224_quant": 168}
MAX_BOXES = 8


def square(picture, box):
    x0, y0, x1, y1 = box
    grow = 0.05 * max(x1 - x0, y1 - y0)
    picture = picture.crop((int(max(0, x0 - grow)), int(max(0, y0 - grow)),
                            int(min(picture.width, x1 + grow)), int(min(picture.height, y1 + grow))))
    side = max(picture.size)
    ground = Image.new("RGB", (side, side), (255, 255, 255))
    ground.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return np.asarray(ground.resize((224, 224), Image.BILINEAR))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("teacher"), p.add_argument("set_dir"), p.add_argument("out_dir")
    p.add_argument("--splits", default="train"), p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    net = Interpreter(a.teacher, experimental_preserve_all_tensors=True, num_threads=a.threads)
    net.allocate_tensors()
    source, tensor = net.get_input_details()[0]["index"], MAPS[pathlib.Path(a.teacher).stem]
    scale, zero = next(t for t in net.get_tensor_details() if t["index"] == tensor)["quantization"]
    folder = pathlib.Path(a.set_dir)
    rows = [r for r in csv.DictReader(open(folder / "manifest.csv", encoding="utf-8")) if r["split"] in a.splits.split(",")]
    shards, vectors, boxes_out = {}, [], []
    for n, row in enumerate(rows):
        shard = shards.setdefault(row["shard"], None) or shards.update({row["shard"]: tarfile.open(folder / row["shard"])}) or shards[row["shard"]]
        picture = Image.open(io.BytesIO(shard.extractfile(row["file"]).read())).convert("RGB")
        boxes = [b[:4] for b in json.loads(row.get("boxes") or "[]")] or [[0, 0, picture.width, picture.height]]
        boxes = [b for b in boxes if min(b[2] - b[0], b[3] - b[1]) >= 24] or [[0, 0, picture.width, picture.height]]
        for box in boxes[:MAX_BOXES]:
            net.set_tensor(source, square(picture, box)[None])
            net.invoke()
            m = (net.get_tensor(tensor)[0].astype(np.float32) - zero) * scale
            v = (np.clip(m, 1e-6, None) ** 3).mean((0, 1)) ** (1 / 3)
            vectors.append(v / np.linalg.norm(v))
            boxes_out.append((row["file"], *box))
        if n % 500 == 0:
            print(f"{folder.name}: {n} of {len(rows)} pictures", file=sys.stderr, flush=True)
    out = pathlib.Path(a.out_dir)
    out.mkdir(parents=True, exist_ok=True)
    m = np.stack(vectors).astype("<f4")
    with open(out / f"{folder.name}.teacher.fbin", "wb") as f:
        f.write(struct.pack("<II", *m.shape) + m.tobytes())
    with open(out / f"{folder.name}.teacher.csv", "w", newline="", encoding="utf-8") as f:
        w = csv.writer(f)
        w.writerow(["file", "x0", "y0", "x1", "y1"]), w.writerows(boxes_out)


main()
