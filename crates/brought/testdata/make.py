"""Makes the files beside it: small transformers with random weights, what PyTorch says of them, and their exports.

    pip install torch transformers onnx onnxscript safetensors
    python make.py

Every weight is drawn from a fixed seed and rounded to half precision; nothing here was trained by anybody. The
expected numbers are PyTorch's in single precision on a picture and ids that the test makes by the same formula.
"""
import json, math, pathlib, tempfile
import torch
from safetensors.torch import load_file, save_file
from transformers import (CLIPConfig, CLIPModel, SiglipConfig, SiglipModel, Dinov2Config, Dinov2Model,
                          Dinov2WithRegistersConfig, Dinov2WithRegistersModel, ViTConfig, ViTModel)

HERE = pathlib.Path(__file__).parent
SMALL = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=24, patch_size=8)
WIDE = dict(SMALL, intermediate_size=32)
WORDS = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, vocab_size=40,
             max_position_embeddings=12, bos_token_id=38, eos_token_id=39, pad_token_id=1)


def picture(side):
    """[1, 3, side, side]: waves that no symmetry of a network can hide."""
    n = torch.arange(3 * side * side, dtype=torch.float64)
    return torch.sin(n * 0.37 + torch.cos(n * 0.011) * 3).float().reshape(1, 3, side, side)


def ids(length):
    return torch.tensor([[38, 5, 17, 8, 39] + [1] * (length - 5)])


def random(model, seed):
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            spread = 0.5 if p.ndim > 1 else 0.2
            drawn = torch.randn(p.shape, generator=g) * spread / math.sqrt(p.shape[-1] if p.ndim > 1 else 1)
            one = p.ndim == 1 and name.endswith("weight") or "lambda" in name
            p.copy_((drawn + (1.0 if one else 0.0)).half().float())
    return model.eval()


class Look(torch.nn.Module):
    """The picture side of a model, with the outputs that exports for the web have."""

    def __init__(self, model, family):
        super().__init__()
        self.model, self.family = model, family

    def forward(self, pixel_values):
        if self.family == "clip":
            seen = self.model.vision_model(pixel_values)
            return self.model.visual_projection(seen.pooler_output), seen.last_hidden_state
        if self.family == "siglip":
            seen = self.model.vision_model(pixel_values)
            return seen.pooler_output, seen.last_hidden_state
        hidden = self.model(pixel_values).last_hidden_state
        return hidden[:, 0], hidden


class Read(torch.nn.Module):
    def __init__(self, model, family):
        super().__init__()
        self.model, self.family = model, family

    def forward(self, input_ids):
        read = self.model.text_model(input_ids).pooler_output
        return self.model.text_projection(read) if self.family == "clip" else read


def main():
    models = {
        "clip": CLIPModel(CLIPConfig(text_config=dict(WORDS, hidden_act="quick_gelu"),
                                     vision_config=dict(WIDE, hidden_act="quick_gelu"), projection_dim=12)),
        "siglip": SiglipModel(SiglipConfig(text_config=dict(WORDS, projection_size=16), vision_config=WIDE)),
        "dinov2": Dinov2Model(Dinov2Config(**SMALL, mlp_ratio=2)),
        "dinov2_registers": Dinov2WithRegistersModel(
            Dinov2WithRegistersConfig(**SMALL, mlp_ratio=2, num_register_tokens=3)),
        "vit": ViTModel(ViTConfig(**WIDE), add_pooling_layer=False),
    }
    expected = {}
    for seed, (name, model) in enumerate(models.items()):
        model.config._attn_implementation = "eager"
        random(model, seed + 1)
        family = name.split("_")[0]
        side = 40 if family == "dinov2" else 24
        with torch.no_grad():
            look = Look(model, family)
            embeds, hidden = look(picture(side))
            entry = {"side": side, "embeds": embeds.flatten().tolist(), "hidden": hidden.flatten().tolist()}
            if family in ("clip", "siglip"):
                entry["text"] = Read(model, family)(ids(12)).flatten().tolist()
        expected[name] = {k: v if isinstance(v, int) else [round(x, 6) for x in v] for k, v in entry.items()}
        # As it would be published: names inside the library are its own affair.
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            published = load_file(pathlib.Path(folder) / "model.safetensors")
        tensors = {k: v.half().contiguous() for k, v in published.items()}
        save_file(tensors, HERE / f"{name}.safetensors")
        config = {k: v for k, v in model.config.to_dict().items()}
        (HERE / f"{name}.json").write_text(json.dumps(small(config)) + "\n")
        if name in ("clip", "dinov2"):
            torch.onnx.export(look, (picture(24),), HERE / f"{name}.onnx", input_names=["pixel_values"],
                              output_names=["image_embeds" if family == "clip" else "pooler_output",
                                            "last_hidden_state"], dynamo=False, opset_version=17,
                              dynamic_axes={"pixel_values": {0: "batch"}})
            with torch.no_grad():
                expected[name]["exported"] = [round(x, 6) for x in look(picture(24))[0].flatten().tolist()]
        if name == "clip":
            torch.onnx.export(Read(model, family), (ids(12),), HERE / "clip_text.onnx", input_names=["input_ids"],
                              output_names=["text_embeds"], dynamo=False, opset_version=17,
                              dynamic_axes={"input_ids": {0: "batch", 1: "length"}})
    tokenizer(expected)
    (HERE / "expected.json").write_text(json.dumps(expected) + "\n")


def small(config):
    """What a reader of the weights needs of a config."""
    keep = ("model_type", "hidden_act", "layer_norm_eps", "num_attention_heads", "image_size", "patch_size")
    told = {k: v for k, v in config.items() if k in keep and v is not None}
    told.update({k: small(config[k]) for k in ("vision_config", "text_config") if k in config})
    return told


def tokenizer(expected):
    """Two tokenizers with the special ids of the small text towers: pieces as SigLIP has, byte pairs as CLIP has."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    words = ["a", "red", "blue", "green", "dress", "shirt", "shoe", "bag", "strip", "plain", "with", "of", "photo"]
    pieces = [("<unk>", 0.0), ("<pad>", 0.0)] + [("\u2581" + w, -3.0 - i / 10) for i, w in enumerate(words)]
    pieces += [(p, -4.0 - i / 10) for i, p in enumerate(["ed", "es", "s", "e", "d", "\u2581", "r", "b", "n", "i"])]
    pieces += [(f"<unused{i}>", -20.0) for i in range(len(pieces), 38)] + [("<start>", 0.0), ("<end>", 0.0)]
    t = Tokenizer(models.Unigram(pieces, unk_id=0))
    t.normalizer = normalizers.Lowercase()
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    around = [("<start>", 38), ("<end>", 39)]
    t.post_processor = processors.TemplateProcessing(single="<start> $A <end>", special_tokens=around)
    t.add_special_tokens(["<unk>", "<pad>", "<start>", "<end>"])
    t.enable_padding(length=12, pad_id=1, pad_token="<pad>")
    t.save(str(HERE / "tokenizer.json"), pretty=False)

    b = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>", continuing_subword_prefix=""))
    b.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "),
                                         normalizers.Lowercase()])
    pattern = Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    b.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(pattern, "removed", invert=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(vocab_size=600, end_of_word_suffix="</w>", show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=["<|startoftext|>", "<|endoftext|>"])
    b.train_from_iterator(["a red dress with blue stripes", "green striped shirts", "the photo of a plain bag"] * 9,
                          trainer)
    # In the layout of CLIP: letters, letters that end a word, merges, the two marks.
    merges = [tuple(pair) for pair in json.loads(b.to_str())["model"]["merges"]]
    order = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(n) for n in order] + [chr(256 + i) for i in range(256 - len(order))]
    marks = ["<|startoftext|>", "<|endoftext|>"]
    listed = letters + [c + "</w>" for c in letters] + [x + y for x, y in merges] + marks
    b.model = models.BPE({word: i for i, word in enumerate(listed)}, merges, end_of_word_suffix="</w>",
                         unk_token="<|endoftext|>")
    b.add_special_tokens(marks)
    cls, sep = [(n, b.token_to_id(n)) for n in marks]
    b.post_processor = processors.RobertaProcessing(sep, cls, add_prefix_space=False)
    b.save(str(HERE / "byte_pairs.json"), pretty=False)
    texts = ["a red dress", "Striped SHIRTS of xylophone", "blue bags, green shoes!", ""]
    expected["tokens"] = {"texts": texts, "tokenizer": [t.encode(x).ids for x in texts],
                          "byte_pairs": [b.encode(x).ids for x in texts]}

main()
