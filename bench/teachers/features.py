"""Features of teacher networks over the crops of a data set, once, for `twinset train embedder`.

Usage: features.py TEACHER.tflite[,TEACHER.tflite] SET_DIR OUT_DIR [--splits train] [--threads 1]

Writes OUT_DIR/SET.teacher.fbin (u32 rows, u32 columns, f32 rows; GeM p = 3 over the 7 x 7 map, length 1),
OUT_DIR/SET.teacher.maps (u32 rows, u32 cells a side, u32 columns, f16 cells: the map itself, projected at random to
96 numbers a cell and teacher) and OUT_DIR/SET.teacher.csv (file and the square of the picture that each row shows:
centre and side in pixels). A row is a box of a picture, or the whole picture where it has none. Several teachers stand
side by side in the columns. Needs the packages ai-edge-litert, numpy and pillow; the trainer only reads the files.
"""
import argparse, csv, io, json, pathlib, struct, sys, tarfile
import numpy as np
from PIL import Image
from ai_edge_litert.interpreter import Interpreter

MAPS = {"tf2_mobilenet_v2_1.0_224_ptq": 171, "mobilenet_v2_1.0_224_quant": 168}
MAX_BOXES = 8
CELL = 96


def square(picture, box):
    """The box, a little larger, on a white square: what a teacher sees, and where that lies in the picture."""
    x0, y0, x1, y1 = box
    grow = 0.05 * max(x1 - x0, y1 - y0)
    x0, y0 = int(max(0, x0 - grow)), int(max(0, y0 - grow))
    x1, y1 = int(min(picture.width, x1 + grow)), int(min(picture.height, y1 + grow))
    picture = picture.crop((x0, y0, x1, y1))
    side = max(picture.size)
    ground = Image.new("RGB", (side, side), (255, 255, 255))
    ground.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return np.asarray(ground.resize((224, 224), Image.BILINEAR)), ((x0 + x1) / 2, (y0 + y1) / 2, side)


class Teacher:
    def __init__(self, path, threads):
        self.net = Interpreter(path, experimental_preserve_all_tensors=True, num_threads=threads)
        self.net.allocate_tensors()
        self.source, self.map = self.net.get_input_details()[0]["index"], MAPS[pathlib.Path(path).stem]
        self.scale, self.zero = next(
            t for t in self.net.get_tensor_details() if t["index"] == self.map)["quantization"]
        self.projection = np.random.default_rng(7).standard_normal((1280, CELL)).astype("<f4") / CELL**0.5

    def __call__(self, pixels):
        self.net.set_tensor(self.source, pixels[None])
        self.net.invoke()
        cells = (self.net.get_tensor(self.map)[0].astype(np.float32) - self.zero) * self.scale
        pooled = (np.clip(cells, 1e-6, None) ** 3).mean((0, 1)) ** (1 / 3)
        return pooled / np.linalg.norm(pooled), cells @ self.projection


def main():
    p = argparse.ArgumentParser()
    p.add_argument("teachers"), p.add_argument("set_dir"), p.add_argument("out_dir")
    p.add_argument("--splits", default="train"), p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    teachers = [Teacher(path, a.threads) for path in a.teachers.split(",")]
    folder = pathlib.Path(a.set_dir)
    rows = [r for r in csv.DictReader(open(folder / "manifest.csv", encoding="utf-8")) if r["split"] in a.splits.split(",")]
    shards, vectors, maps, places = {}, [], [], []
    for n, row in enumerate(rows):
        if row["shard"] not in shards:
            shards[row["shard"]] = tarfile.open(folder / row["shard"])
        picture = Image.open(io.BytesIO(shards[row["shard"]].extractfile(row["file"]).read())).convert("RGB")
        boxes = [b[:4] for b in json.loads(row.get("boxes") or "[]")] or [[0, 0, picture.width, picture.height]]
        boxes = [b for b in boxes if min(b[2] - b[0], b[3] - b[1]) >= 24] or [[0, 0, picture.width, picture.height]]
        for box in boxes[:MAX_BOXES]:
            pixels, place = square(picture, box)
            pooled, cells = zip(*(teacher(pixels) for teacher in teachers))
            vectors.append(np.concatenate(pooled) / len(teachers) ** 0.5)
            maps.append(np.concatenate(cells, 2).astype("<f2"))
            places.append((row["file"], *place))
        if n % 500 == 0:
            print(f"{folder.name}: {n} of {len(rows)} pictures", file=sys.stderr, flush=True)
    out = pathlib.Path(a.out_dir)
    out.mkdir(parents=True, exist_ok=True)
    vectors, maps = np.stack(vectors).astype("<f4"), np.stack(maps)
    with open(out / f"{folder.name}.teacher.fbin", "wb") as f:
        f.write(struct.pack("<II", *vectors.shape) + vectors.tobytes())
    with open(out / f"{folder.name}.teacher.maps", "wb") as f:
        f.write(struct.pack("<III", len(maps), maps.shape[1], maps.shape[3]) + maps.tobytes())
    with open(out / f"{folder.name}.teacher.csv", "w", newline="", encoding="utf-8") as f:
        w = csv.writer(f)
        w.writerow(["file", "x", "y", "side"]), w.writerows(places)


main()
