"""SIFT keypoints with RANSAC, the baseline of local matching: R@1 and R@10 over products.

Usage: retrieval.py QUERY_SET QUERY_SPLIT GALLERY_SET[,GALLERY_SET] [--box]

Every query is compared with every main view of the gallery: SIFT (Lowe, 2004), ratio test 0.8, partial affine RANSAC;
the picture with the most inliers wins. `--box` looks at the query's first box only. A cross-view query never meets the
photograph it was made from. Needs the packages opencv-python-headless and numpy; not a part of the product.
"""
import argparse, csv, json, pathlib, tarfile
import cv2, numpy as np


def pictures(folder, keep):
    folder, shards = pathlib.Path(folder), {}
    for row in csv.DictReader(open(folder / "manifest.csv", encoding="utf-8")):
        if keep(row):
            shard = shards.setdefault(row["shard"], None) or shards.update(
                {row["shard"]: tarfile.open(folder / row["shard"])}) or shards[row["shard"]]
            data = np.frombuffer(shard.extractfile(row["file"]).read(), np.uint8)
            yield row, cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def inliers(a, b, matcher):
    (ka, da), (kb, db) = a, b
    if da is None or db is None or len(ka) < 3 or len(kb) < 3:
        return 0
    pairs = [m[0] for m in matcher.knnMatch(da, db, k=2) if len(m) == 2 and m[0].distance < 0.8 * m[1].distance]
    if len(pairs) < 3:
        return len(pairs) / 10
    source = np.float32([ka[m.queryIdx].pt for m in pairs])
    target = np.float32([kb[m.trainIdx].pt for m in pairs])
    _, mask = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=8)
    return 0 if mask is None else int(mask.sum())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("queries"), p.add_argument("split"), p.add_argument("gallery")
    p.add_argument("--box", action="store_true")
    a = p.parse_args()
    cv2.setNumThreads(1)
    sift, matcher = cv2.SIFT_create(nfeatures=400), cv2.BFMatcher()
    gallery = []
    for folder in a.gallery.split(","):
        name = pathlib.Path(folder).name
        for row, grey in pictures(folder, lambda r: r["view"] == "main"):
            gallery.append((row["item_id"], f"{name}/{row['file']}", sift.detectAndCompute(grey, None)))
    found = {}
    for row, grey in pictures(a.queries, lambda r: r["split"] == a.split and r.get("view") != "main"):
        boxes = json.loads(row.get("boxes") or "[]")
        if a.box and boxes:
            x0, y0, x1, y1 = boxes[0][:4]
            grey = grey[y0:y1, x0:x1]
        query = sift.detectAndCompute(grey, None)
        own = row["source"] if row.get("view") == "cross-view" else None
        best = {}
        for item, name, shown in gallery:
            if name != own:
                best[item] = max(best.get(item, -1), inliers(query, shown, matcher))
        rank = 1 + sum(v > best.get(row["item_id"], -1) for v in best.values())
        ties = sum(v == best.get(row["item_id"], -1) for v in best.values())
        if row["item_id"] in best:
            # Equal counts in random order.
            found.setdefault(row["view"], []).append(
                [sum(rank + t <= k for t in range(ties)) / ties for k in (1, 10)])
    for view, hits in found.items():
        r1, r10 = np.mean(hits, 0)
        print(f"{view}: {len(hits)} queries, R@1 {r1:.3f}, R@10 {r10:.3f}")


main()
