//! Vision transformers that come as weights in safetensors, written down as a graph.
//!
//! Names and order of computation are those of the Hugging Face models ViT (Dosovitskiy et al. 2021), CLIP (Radford
//! et al. 2021), SigLIP (Zhai et al. 2023) and DINOv2 (Oquab et al. 2023, also with registers). One graph in the
//! engine that runs all brought models is faster than a forward of our own and is compared with PyTorch as one.

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::{Attribute, BroughtError, Sketch};

/// Largest header of a safetensors file in bytes; the largest towers have some 200 KB.
const MAX_HEADER: u64 = 4 << 20;
/// Side at which DINOv2 is used, whatever side it was finished at.
const DINO_SIDE: usize = 224;
/// What stands for minus infinity in a mask: the sum with any score stays finite.
const MASKED: f32 = -1e30;

/// A transformer as an ONNX file. Input `pixel_values`, `[1, 3, side, side]`; outputs `image_embeds`, `[1, dim]`,
/// and `last_hidden_state`, `[1, tokens, width]`.
pub struct Tower {
    /// `vit`, `clip`, `siglip` or `dinov2`.
    pub family: &'static str,
    /// Side of the picture in pixels.
    pub side: usize,
    /// The file.
    pub onnx: Vec<u8>,
    /// The text tower, where the weights hold one too. Input `input_ids`, `[1, length]`; output `text_embeds`.
    pub text: Option<Vec<u8>>,
    /// Ids that the text tower reads.
    pub text_length: Option<usize>,
}

/// Writes the transformer of `weights` (the bytes of a safetensors file) down. `config` is its `config.json`, which
/// tells heads and activation; without one the usual ones of the family are taken. `side`: for a picture of another
/// size than the one trained on, positions are interpolated (bicubic, as PyTorch does).
///
/// # Errors
/// The weights are of no known family, miss a tensor, or one has another shape than the others tell.
pub fn write_down(weights: &[u8], config: Option<&[u8]>, side: Option<usize>) -> Result<Tower, BroughtError> {
    let config = config.map_or(Ok(Value::Null), serde_json::from_slice);
    let config = config.map_err(|e| BroughtError::NoTransformer(format!("config.json: {e}")))?;
    let weights = Weights::read(weights)?;
    let vision = Vision::of(&weights, &config, side)?;
    let onnx = vision.sketch(&weights)?.finish()?;
    let text = Text::of(&weights, &config, vision.style.family)?;
    let (text, text_length) = match text {
        Some(text) => (Some(text.sketch(&weights)?.finish()?), Some(text.length)),
        None => (None, None),
    };
    Ok(Tower { family: vision.style.family, side: vision.side, onnx, text, text_length })
}

/// Tensors by name, as f32.
struct Weights<'a>(SafeTensors<'a>);

impl<'a> Weights<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, BroughtError> {
        let bad = |what: String| BroughtError::NoTransformer(what);
        let header = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
        let header = header.ok_or_else(|| bad("the file is shorter than a safetensors header".into()))?;
        if header > MAX_HEADER {
            return Err(BroughtError::TooMany { what: "bytes of header", found: header, limit: MAX_HEADER });
        }
        SafeTensors::deserialize(bytes).map(Self).map_err(|e| bad(e.to_string()))
    }

    fn has(&self, name: &str) -> bool {
        self.0.tensor(name).is_ok()
    }

    fn shape(&self, name: &str) -> Result<Vec<usize>, BroughtError> {
        let view = self.0.tensor(name).map_err(|_| missing(name))?;
        Ok(view.shape().to_vec())
    }

    /// The numbers of a tensor of exactly this shape.
    fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, BroughtError> {
        let view = self.0.tensor(name).map_err(|_| missing(name))?;
        if view.shape() != shape {
            let found = view.shape();
            return Err(BroughtError::NoTransformer(format!(
                "{name} has shape {found:?}, expected {shape:?}"
            )));
        }
        let bytes = view.data();
        let half = |b: &[u8]| u16::from_le_bytes([b[0], b[1]]);
        Ok(match view.dtype() {
            Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => bytes.chunks_exact(2).map(|b| from_f16(half(b))).collect(),
            Dtype::BF16 => bytes.chunks_exact(2).map(|b| f32::from_bits(u32::from(half(b)) << 16)).collect(),
            other => {
                return Err(BroughtError::NoTransformer(format!(
                    "{name} is of type {other:?}, only F32, F16 and BF16 are taken"
                )));
            }
        })
    }
}

fn missing(name: &str) -> BroughtError {
    BroughtError::NoTransformer(format!("{name} is missing"))
}

fn from_f16(bits: u16) -> f32 {
    let (sign, exponent, fraction) =
        (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 1023) / 1024.0);
    let size = match exponent {
        0 => fraction * 2f32.powi(-14),
        31 => return if fraction == 0.0 { f32::INFINITY } else { f32::NAN },
        e => (1.0 + fraction) * 2f32.powi(e - 15),
    };
    if sign == 1 { -size } else { size }
}

/// How a family names the parts of its layers, and where it differs from the others.
#[derive(Clone, Copy)]
struct Style {
    family: &'static str,
    layer: &'static str,
    norms: [&'static str; 2],
    attention: [&'static str; 4],
    mlp: [&'static str; 2],
    /// Factors of what a layer adds, a number a channel.
    scales: Option<[&'static str; 2]>,
    epsilon: f32,
    activation: Activation,
}

#[derive(Clone, Copy)]
enum Activation {
    Gelu,
    GeluTanh,
    /// `x * sigmoid(1.702 x)`.
    QuickGelu,
}

const PLAIN: Style = Style {
    family: "clip",
    layer: "encoder.layers",
    norms: ["layer_norm1", "layer_norm2"],
    attention: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"],
    mlp: ["mlp.fc1", "mlp.fc2"],
    scales: None,
    epsilon: 1e-5,
    activation: Activation::QuickGelu,
};
const SIGLIP: Style = Style { family: "siglip", epsilon: 1e-6, activation: Activation::GeluTanh, ..PLAIN };
const VIT: Style = Style {
    family: "vit",
    layer: "encoder.layer",
    norms: ["layernorm_before", "layernorm_after"],
    attention: [
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
        "attention.output.dense",
    ],
    mlp: ["intermediate.dense", "output.dense"],
    scales: None,
    epsilon: 1e-12,
    activation: Activation::Gelu,
};
const DINOV2: Style = Style {
    family: "dinov2",
    norms: ["norm1", "norm2"],
    mlp: ["mlp.fc1", "mlp.fc2"],
    scales: Some(["layer_scale1.lambda1", "layer_scale2.lambda1"]),
    epsilon: 1e-6,
    ..VIT
};

/// What all layers of a tower share.
struct Stack {
    style: Style,
    prefix: String,
    width: usize,
    heads: usize,
    layers: usize,
    tokens: usize,
}

impl Stack {
    fn of(
        weights: &Weights<'_>,
        mut style: Style,
        prefix: String,
        width: usize,
        config: &Value,
    ) -> Result<Self, BroughtError> {
        let wrong = |what: String| BroughtError::NoTransformer(what);
        let told = |name: &str| config.get(name);
        if let Some(act) = told("hidden_act").and_then(Value::as_str) {
            style.activation = match act {
                "gelu" => Activation::Gelu,
                "gelu_pytorch_tanh" | "gelu_new" => Activation::GeluTanh,
                "quick_gelu" => Activation::QuickGelu,
                other => return Err(wrong(format!("the activation {other:?} is not known"))),
            };
        }
        if let Some(epsilon) = told("layer_norm_eps").and_then(Value::as_f64) {
            style.epsilon = epsilon as f32;
        }
        let heads = told("num_attention_heads").and_then(Value::as_u64).map_or(width / 64, |n| n as usize);
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(wrong(format!("{heads} heads do not divide a width of {width}")));
        }
        let first = |i: usize| format!("{prefix}{}.{i}.{}.weight", style.layer, style.norms[0]);
        let layers = (0..).take_while(|&i| weights.has(&first(i))).count();
        if layers == 0 {
            return Err(missing(&first(0)));
        }
        Ok(Self { style, prefix, width, heads, layers, tokens: 0 })
    }

    /// All layers over `x`, `[1, tokens, width]`; `mask` is added to every score.
    fn run(
        &self,
        g: &mut Sketch,
        w: &Weights<'_>,
        x: String,
        mask: Option<&str>,
    ) -> Result<String, BroughtError> {
        let mut x = x;
        for i in 0..self.layers {
            let name = |part: &str| format!("{}{}.{i}.{part}", self.prefix, self.style.layer);
            let scaled = |g: &mut Sketch, value: String, which: usize| -> Result<String, BroughtError> {
                let Some(scales) = self.style.scales else { return Ok(value) };
                let numbers = w.get(&name(scales[which]), &[self.width])?;
                let factor = g.weights(&[self.width], &numbers);
                Ok(g.node("Mul", &[&value, &factor], &[]))
            };
            let normal = self.norm(g, w, &name(self.style.norms[0]), &x)?;
            let [q, k, v, out] = self.style.attention;
            let [q, k, v] = [q, k, v].map(|part| linear(g, w, &name(part), &normal, self.width, self.width));
            let seen = self.attend(g, [&q?, &k?, &v?], self.tokens, mask);
            let added = linear(g, w, &name(out), &seen, self.width, self.width)?;
            let added = scaled(g, added, 0)?;
            x = g.node("Add", &[&x, &added], &[]);
            let normal = self.norm(g, w, &name(self.style.norms[1]), &x)?;
            let added = self.mlp(g, w, [&name(self.style.mlp[0]), &name(self.style.mlp[1])], &normal)?;
            let added = scaled(g, added, 1)?;
            x = g.node("Add", &[&x, &added], &[]);
        }
        Ok(x)
    }

    /// Softmax attention of several heads; `queries` is the number of rows of the first of `qkv`.
    fn attend(&self, g: &mut Sketch, qkv: [&str; 3], queries: usize, mask: Option<&str>) -> String {
        let (heads, share) = (self.heads as i64, (self.width / self.heads) as i64);
        let split = |g: &mut Sketch, value: &str, rows: usize, order: &[i64]| {
            let shape = g.ints(&[1, rows as i64, heads, share]);
            let split = g.node("Reshape", &[value, &shape], &[]);
            g.node("Transpose", &[&split], &[("perm", Attribute::Ints(order.into()))])
        };
        let q = split(g, qkv[0], queries, &[0, 2, 1, 3]);
        let k = split(g, qkv[1], self.tokens, &[0, 2, 3, 1]);
        let v = split(g, qkv[2], self.tokens, &[0, 2, 1, 3]);
        let scores = g.node("MatMul", &[&q, &k], &[]);
        let scale = g.weights(&[], &[1.0 / (share as f32).sqrt()]);
        let mut scores = g.node("Mul", &[&scores, &scale], &[]);
        if let Some(mask) = mask {
            scores = g.node("Add", &[&scores, mask], &[]);
        }
        let shares = g.node("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let seen = g.node("MatMul", &[&shares, &v], &[]);
        let seen = g.node("Transpose", &[&seen], &[("perm", Attribute::Ints(vec![0, 2, 1, 3]))]);
        let shape = g.ints(&[1, queries as i64, self.width as i64]);
        g.node("Reshape", &[&seen, &shape], &[])
    }

    fn mlp(
        &self,
        g: &mut Sketch,
        w: &Weights<'_>,
        names: [&str; 2],
        x: &str,
    ) -> Result<String, BroughtError> {
        let inner = w.shape(&format!("{}.weight", names[0]))?.first().copied().unwrap_or(0);
        let x = linear(g, w, names[0], x, self.width, inner)?;
        let x = match self.style.activation {
            Activation::Gelu => g.node("Gelu", &[&x], &[]),
            Activation::GeluTanh => g.node("Gelu", &[&x], &[("approximate", Attribute::Text("tanh"))]),
            Activation::QuickGelu => {
                let steepness = g.weights(&[], &[1.702]);
                let steep = g.node("Mul", &[&x, &steepness], &[]);
                let gate = g.node("Sigmoid", &[&steep], &[]);
                g.node("Mul", &[&x, &gate], &[])
            }
        };
        linear(g, w, names[1], &x, inner, self.width)
    }

    fn norm(&self, g: &mut Sketch, w: &Weights<'_>, name: &str, x: &str) -> Result<String, BroughtError> {
        let [scale, bias] = ["weight", "bias"].map(|part| w.get(&format!("{name}.{part}"), &[self.width]));
        let (scale, bias) = (g.weights(&[self.width], &scale?), g.weights(&[self.width], &bias?));
        let told = [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(self.style.epsilon))];
        Ok(g.node("LayerNormalization", &[x, &scale, &bias], &told))
    }
}

/// `x W^T + b`; the bias where there is one.
fn linear(
    g: &mut Sketch,
    w: &Weights<'_>,
    name: &str,
    x: &str,
    from: usize,
    to: usize,
) -> Result<String, BroughtError> {
    let weight = w.get(&format!("{name}.weight"), &[to, from])?;
    let bias = format!("{name}.bias");
    let bias = if w.has(&bias) { Some(w.get(&bias, &[to])?) } else { None };
    Ok(linear_of(g, x, &weight, bias.as_deref(), from, to))
}

fn linear_of(
    g: &mut Sketch,
    x: &str,
    weight: &[f32],
    bias: Option<&[f32]>,
    from: usize,
    to: usize,
) -> String {
    let turned: Vec<f32> = (0..from * to).map(|i| weight[i % to * from + i / to]).collect();
    let turned = g.weights(&[from, to], &turned);
    let product = g.node("MatMul", &[x, &turned], &[]);
    match bias {
        Some(bias) => {
            let bias = g.weights(&[to], bias);
            g.node("Add", &[&product, &bias], &[])
        }
        None => product,
    }
}

/// Row `index` of `[1, rows, width]`, as `[1, width]`.
fn row(g: &mut Sketch, x: &str, index: i64) -> String {
    let (from, to, axis) =
        (g.ints(&[index]), g.ints(&[if index == -1 { i64::MAX } else { index + 1 }]), g.ints(&[1]));
    let row = g.node("Slice", &[x, &from, &to, &axis], &[]);
    g.node("Squeeze", &[&row, &axis], &[])
}

/// The tower that looks.
struct Vision {
    style: Style,
    stack: Stack,
    side: usize,
    patch: usize,
    /// Tokens a side of the picture that positions were learned for.
    trained_grid: usize,
    class_token: bool,
    registers: usize,
}

impl Vision {
    fn of(w: &Weights<'_>, config: &Value, side: Option<usize>) -> Result<Self, BroughtError> {
        let config = config.get("vision_config").unwrap_or(config);
        let at = |prefix: &str, name: &str| w.has(&format!("{prefix}{name}"));
        let (style, prefix) = if at("vision_model.", "embeddings.class_embedding") {
            (PLAIN, "vision_model.")
        } else if at("vision_model.", "embeddings.patch_embedding.weight") {
            (SIGLIP, "vision_model.")
        } else {
            let prefix = ["", "vit.", "dinov2.", "dinov2_with_registers."]
                .into_iter()
                .find(|prefix| at(prefix, "embeddings.cls_token"));
            let prefix = prefix.ok_or_else(|| {
                BroughtError::NoTransformer(
                    "no embeddings of ViT, CLIP, SigLIP or DINOv2 are among them".into(),
                )
            })?;
            (if at(prefix, "encoder.layer.0.norm1.weight") { DINOV2 } else { VIT }, prefix)
        };
        let patch_name = format!("{prefix}{}.weight", patch_name(style));
        let &[width, 3, patch, across] = &w.shape(&patch_name)?[..] else {
            return Err(BroughtError::NoTransformer(format!("{patch_name} is no filter of patches")));
        };
        if patch != across || patch == 0 || width == 0 {
            return Err(BroughtError::NoTransformer(format!(
                "{patch_name} has patches of {patch} x {across}"
            )));
        }
        let class_token = style.family != "siglip";
        let positions = w.shape(&format!("{prefix}{}", positions_name(style)))?;
        let places = positions.iter().product::<usize>() / width - usize::from(class_token);
        let trained_grid = places.isqrt();
        if trained_grid * trained_grid != places || trained_grid == 0 {
            return Err(BroughtError::NoTransformer(format!("{places} positions are no square")));
        }
        let usual = if style.family == "dinov2" { DINO_SIDE / patch } else { trained_grid };
        let side = side.unwrap_or(usual * patch);
        if !side.is_multiple_of(patch) || !(1..=128).contains(&(side / patch)) {
            return Err(BroughtError::NoTransformer(format!("a side of {side} is no multiple of {patch}")));
        }
        let registers = format!("{prefix}embeddings.register_tokens");
        let registers = if w.has(&registers) { w.shape(&registers)?.get(1).copied().unwrap_or(0) } else { 0 };
        let mut stack = Stack::of(w, style, prefix.into(), width, config)?;
        stack.tokens = (side / patch).pow(2) + usize::from(class_token) + registers;
        Ok(Self { style, stack, side, patch, trained_grid, class_token, registers })
    }

    fn sketch(&self, w: &Weights<'_>) -> Result<Sketch, BroughtError> {
        let (style, stack) = (self.style, &self.stack);
        let (width, grid) = (stack.width, self.side / self.patch);
        let name = |part: &str| format!("{}{part}", stack.prefix);
        let mut sketch = Sketch::new();
        let g = &mut sketch;
        let side = self.side as i64;
        let pixels = g.input("pixel_values", true, &[1, 3, side, side]);

        let filter =
            w.get(&name(&format!("{}.weight", patch_name(style))), &[width, 3, self.patch, self.patch])?;
        let filter = g.weights(&[width, 3, self.patch, self.patch], &filter);
        let mut given = vec![pixels, filter];
        let bias = name(&format!("{}.bias", patch_name(style)));
        if w.has(&bias) {
            let bias = w.get(&bias, &[width])?;
            given.push(g.weights(&[width], &bias));
        }
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let told = [
            ("strides", Attribute::Ints(vec![self.patch as i64; 2])),
            ("dilations", Attribute::Ints(vec![1, 1])),
            ("pads", Attribute::Ints(vec![0; 4])),
        ];
        let patches = g.node("Conv", &given, &told);
        let shape = g.ints(&[1, width as i64, (grid * grid) as i64]);
        let patches = g.node("Reshape", &[&patches, &shape], &[]);
        let patches = g.node("Transpose", &[&patches], &[("perm", Attribute::Ints(vec![0, 2, 1]))]);

        let positions_name = name(positions_name(style));
        let positions = w.get(&positions_name, &w.shape(&positions_name)?)?;
        let (of_class, of_patches) = positions.split_at(if self.class_token { width } else { 0 });
        let cubic = if self.registers > 0 { Cubic::Smooth } else { Cubic::Sharp };
        let of_patches = interpolated(of_patches, width, self.trained_grid, grid, cubic);
        let of_patches = g.weights(&[1, grid * grid, width], &of_patches);
        let mut x = g.node("Add", &[&patches, &of_patches], &[]);
        let mut before = Vec::new();
        if self.class_token {
            let token = name(if style.family == "clip" {
                "embeddings.class_embedding"
            } else {
                "embeddings.cls_token"
            });
            let token = w.get(&token, &w.shape(&token)?)?;
            if token.len() != width {
                return Err(BroughtError::NoTransformer(format!("a class token of {} numbers", token.len())));
            }
            before.extend(token.iter().zip(of_class).map(|(t, p)| t + p));
        }
        if self.registers > 0 {
            before.extend(w.get(&name("embeddings.register_tokens"), &[1, self.registers, width])?);
        }
        if !before.is_empty() {
            let before = g.weights(&[1, before.len() / width, width], &before);
            x = g.node("Concat", &[&before, &x], &[("axis", Attribute::Int(1))]);
        }
        if style.family == "clip" {
            x = stack.norm(g, w, &name("pre_layrnorm"), &x)?;
        }
        let x = stack.run(g, w, x, None)?;

        let (tokens, embedding) = match style.family {
            "clip" => {
                let class = row(g, &x, 0);
                let class = stack.norm(g, w, &name("post_layernorm"), &class)?;
                (x, projected(g, w, "visual_projection", &class, width)?)
            }
            "siglip" => {
                let x = stack.norm(g, w, &name("post_layernorm"), &x)?;
                let pooled = self.pooled(g, w, &x)?;
                (x, pooled)
            }
            _ => {
                let x = stack.norm(g, w, &name("layernorm"), &x)?;
                let class = row(g, &x, 0);
                (x, class)
            }
        };
        g.output(&embedding, "image_embeds", true, 2);
        g.output(&tokens, "last_hidden_state", true, 3);
        Ok(sketch)
    }

    /// SigLIP's head: a learned question attends to all tokens.
    fn pooled(&self, g: &mut Sketch, w: &Weights<'_>, x: &str) -> Result<String, BroughtError> {
        let (stack, width) = (&self.stack, self.stack.width);
        let name = |part: &str| format!("{}head.{part}", stack.prefix);
        let probe = w.get(&name("probe"), &[1, 1, width])?;
        let probe = g.weights(&[1, 1, width], &probe);
        let weight = w.get(&name("attention.in_proj_weight"), &[3 * width, width])?;
        let bias = w.get(&name("attention.in_proj_bias"), &[3 * width])?;
        let third = |g: &mut Sketch, value: &str, i: usize| {
            let (weight, bias) = (&weight[i * width * width..][..width * width], &bias[i * width..][..width]);
            linear_of(g, value, weight, Some(bias), width, width)
        };
        let (q, k, v) = (third(g, &probe, 0), third(g, x, 1), third(g, x, 2));
        let seen = stack.attend(g, [&q, &k, &v], 1, None);
        let seen = linear(g, w, &name("attention.out_proj"), &seen, width, width)?;
        let normal = stack.norm(g, w, &name("layernorm"), &seen)?;
        let added = stack.mlp(g, w, [&name("mlp.fc1"), &name("mlp.fc2")], &normal)?;
        let pooled = g.node("Add", &[&seen, &added], &[]);
        Ok(row(g, &pooled, 0))
    }
}

fn patch_name(style: Style) -> &'static str {
    match style.family {
        "clip" | "siglip" => "embeddings.patch_embedding",
        _ => "embeddings.patch_embeddings.projection",
    }
}

fn positions_name(style: Style) -> &'static str {
    match style.family {
        "clip" | "siglip" => "embeddings.position_embedding.weight",
        _ => "embeddings.position_embeddings",
    }
}

/// `x` through a projection without bias, where the weights hold one.
fn projected(
    g: &mut Sketch,
    w: &Weights<'_>,
    name: &str,
    x: &str,
    width: usize,
) -> Result<String, BroughtError> {
    let weight = format!("{name}.weight");
    if !w.has(&weight) {
        return Ok(x.to_owned());
    }
    let to = w.shape(&weight)?.first().copied().unwrap_or(0);
    linear(g, w, name, x, width, to)
}

/// The tower that reads.
struct Text {
    stack: Stack,
    words: usize,
    length: usize,
}

impl Text {
    fn of(w: &Weights<'_>, config: &Value, family: &str) -> Result<Option<Self>, BroughtError> {
        let words = "text_model.embeddings.token_embedding.weight";
        let style = match family {
            "clip" => PLAIN,
            "siglip" => SIGLIP,
            _ => return Ok(None),
        };
        if !w.has(words) {
            return Ok(None);
        }
        let &[words, width] = &w.shape(words)?[..] else { return Err(missing(words)) };
        let length =
            w.shape("text_model.embeddings.position_embedding.weight")?.first().copied().unwrap_or(0);
        let config = config.get("text_config").unwrap_or(&Value::Null);
        let mut stack = Stack::of(w, style, "text_model.".into(), width, config)?;
        stack.tokens = length;
        Ok(Some(Self { stack, words, length }))
    }

    fn sketch(&self, w: &Weights<'_>) -> Result<Sketch, BroughtError> {
        let (stack, length) = (&self.stack, self.length);
        let width = stack.width;
        let mut sketch = Sketch::new();
        let g = &mut sketch;
        let ids = g.input("input_ids", false, &[1, length as i64]);
        let words = w.get("text_model.embeddings.token_embedding.weight", &[self.words, width])?;
        let words = g.weights(&[self.words, width], &words);
        let positions = w.get("text_model.embeddings.position_embedding.weight", &[length, width])?;
        let positions = g.weights(&[1, length, width], &positions);
        let x = g.node("Gather", &[&words, &ids], &[]);
        let x = g.node("Add", &[&x, &positions], &[]);
        let norm = "text_model.final_layer_norm";
        let embedding = if stack.style.family == "clip" {
            // A word sees what stands before it.
            let later = |i: usize| if i % length > i / length { MASKED } else { 0.0 };
            let mask: Vec<f32> = (0..length * length).map(later).collect();
            let mask = g.weights(&[1, 1, length, length], &mask);
            let x = stack.run(g, w, x, Some(&mask))?;
            let x = stack.norm(g, w, norm, &x)?;
            // The end of the text has the largest of all ids.
            let told = [("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))];
            let end = g.node("ArgMax", &[&ids], &told);
            let shape = g.ints(&[length as i64, width as i64]);
            let rows = g.node("Reshape", &[&x, &shape], &[]);
            let last = g.node("Gather", &[&rows, &end], &[]);
            projected(g, w, "text_projection", &last, width)?
        } else {
            let x = stack.run(g, w, x, None)?;
            let x = stack.norm(g, w, norm, &x)?;
            let last = row(g, &x, length as i64 - 1);
            projected(g, w, "text_model.head", &last, width)?
        };
        g.output(&embedding, "text_embeds", true, 2);
        Ok(sketch)
    }
}

/// How positions are brought to another grid.
#[derive(Clone, Copy, PartialEq)]
enum Cubic {
    /// PyTorch's `interpolate` (bicubic, a = -0.75, edges repeated).
    Sharp,
    /// The same with `antialias` (a = -0.5, as wide as a step, edges left out): DINOv2 with registers.
    Smooth,
}

impl Cubic {
    /// Source places and weights of place `i` of `to`.
    fn taps(self, i: usize, from: usize, to: usize) -> Vec<(usize, f32)> {
        let step = from as f32 / to as f32;
        let (a, wide) = match self {
            Self::Sharp => (-0.75, 1.0),
            Self::Smooth => (-0.5, step.max(1.0)),
        };
        let weight = |x: f32| match x.abs() {
            x if x < 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            x if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            _ => 0.0,
        };
        let centre = (i as f32 + 0.5) * step - 0.5;
        let reach = (2.0 * wide).ceil() as i64;
        let near = (centre.floor() as i64 - reach..=centre.floor() as i64 + reach + 1)
            .map(|place| (place, weight((place as f32 - centre) / wide)))
            .filter(|(_, w)| *w != 0.0);
        let last = from as i64 - 1;
        match self {
            Self::Sharp => near.map(|(place, w)| (place.clamp(0, last) as usize, w)).collect(),
            Self::Smooth => {
                let inside: Vec<(i64, f32)> = near.filter(|(place, _)| (0..=last).contains(place)).collect();
                let sum: f32 = inside.iter().map(|(_, w)| w).sum();
                inside.into_iter().map(|(place, w)| (place as usize, w / sum)).collect()
            }
        }
    }
}

/// Positions of `from` x `from` places brought to `to` x `to`.
fn interpolated(positions: &[f32], width: usize, from: usize, to: usize, cubic: Cubic) -> Vec<f32> {
    if from == to {
        return positions.to_vec();
    }
    let mut out = vec![0.0; to * to * width];
    for (place, row) in out.chunks_exact_mut(width).enumerate() {
        for (y, down) in cubic.taps(place / to, from, to) {
            for (x, across) in cubic.taps(place % to, from, to) {
                let source = &positions[(y * from + x) * width..][..width];
                row.iter_mut().zip(source).for_each(|(o, s)| *o += down * across * s);
            }
        }
    }
    out
}
