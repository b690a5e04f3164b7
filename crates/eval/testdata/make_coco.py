"""Random boxes with what pycocotools says of them: `pip install pycocotools numpy && python make_coco.py > coco.json`.

Cases of one category. Ignored boxes are made by an area outside of the range that counts, which leaves their overlap as it
is. Half of the cases have few different scores, so that ties are there.
"""
import contextlib, io, json, random
import numpy
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

LARGE = 1e9


def case(seed):
    chance = random.Random(seed)
    levels = 16 if seed % 2 else 1 << 20
    most = 130 if seed == 3 else 24
    images = []
    for _ in range(chance.randint(1, 6)):
        rect = lambda: [chance.randint(0, 59), chance.randint(0, 59), chance.randint(4, 39), chance.randint(4, 39)]
        truths = [rect() + [chance.random() < 0.2] for _ in range(chance.randint(0, 5))]
        found = []
        for _ in range(chance.randint(0, most)):
            x, y, w, h = chance.choice(truths)[:4] if truths and chance.random() < 0.6 else rect()
            near = [x + chance.randint(-4, 4), y, max(1, w + chance.randint(-2, 2)), h]
            found.append(near + [chance.randrange(levels) / levels])
        images.append({"truths": truths, "found": found})
    truths = [
        {"id": 0, "image_id": i, "category_id": 1, "bbox": t[:4], "iscrowd": 0, "area": LARGE if t[4] else t[2] * t[3]}
        for i, image in enumerate(images) for t in image["truths"]
    ]
    for number, truth in enumerate(truths):
        truth["id"] = number + 1
    found = [
        {"image_id": i, "category_id": 1, "bbox": f[:4], "score": f[4]}
        for i, image in enumerate(images) for f in image["found"]
    ]
    if not any(t["area"] < LARGE for t in truths) or not found:
        return None
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": [{"id": i} for i in range(len(images))], "annotations": truths, "categories": [{"id": 1}]}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, LARGE / 2]], ["all"]
        evaluation.params.maxDets = [100]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, 0, 0, 0]
    recall = evaluation.eval["recall"][:, 0, 0, 0]
    return {"images": images, "ap": numpy.mean(precision, axis=1).tolist(), "recall": recall.tolist()}


cases = [c for c in map(case, range(1, 31)) if c]
print("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]")
