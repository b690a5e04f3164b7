//! A model package: a card and its files, checked against each other and known by their content.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use twinset_disk::{Disk, RealDisk};

use crate::architecture::WEIGHTS;
use crate::{Architecture, Card, NetError};

/// Largest card in bytes.
const MAX_CARD: u64 = 1 << 20;
/// Largest weights file in bytes.
const MAX_WEIGHTS: u64 = 256 << 20;
/// Largest file of a brought model in bytes: the format cannot hold more.
const MAX_BROUGHT: u64 = (2 << 30) - 1;
/// Largest safetensors header in bytes. Ours have about 4 KB; the format itself would allow 100 MB,
/// which a JSON parser can turn into gigabytes.
const MAX_HEADER: u64 = 256 << 10;

/// BLAKE3 of a package's card and weights; every stored vector is stamped with it. Displays as hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ModelHash(pub [u8; 32]);

impl std::fmt::Display for ModelHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl std::str::FromStr for ModelHash {
    type Err = NetError;

    fn from_str(hex: &str) -> Result<Self, NetError> {
        let bad = || NetError::BadCard(format!("{hex:?} is no content hash of 64 hex digits"));
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(bad());
        }
        let mut hash = [0; 32];
        for (i, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(hash))
    }
}

/// One named array of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// As in the inventory of the architecture, for instance `s1.0.weight`.
    pub name: String,
    /// Slowest axis first.
    pub shape: Vec<usize>,
    /// As many numbers as the shape's product.
    pub data: Vec<f32>,
}

/// A loaded model package: the card and its files (our own networks in their fused, inference form). Cheap to clone.
#[derive(Clone, Debug)]
pub struct Package {
    card: Card,
    architecture: Architecture,
    hash: ModelHash,
    card_json: Arc<[u8]>,
    /// By name, in the order of the architecture's list.
    files: Arc<[(&'static str, Arc<[u8]>)]>,
    /// Of our own weights; a brought graph keeps its tensors to itself.
    places: Arc<BTreeMap<String, Place>>,
}

/// Where a tensor lies in the weights file.
#[derive(Debug)]
struct Place {
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Range<usize>,
}

impl Package {
    /// Opens `DIR/card.json` and the files that its architecture names: `weights.safetensors`, or for a brought model
    /// `model.onnx` and what its text tower needs.
    ///
    /// # Errors
    /// A file that cannot be read, is too large or lies outside `DIR`, and everything that [`Package::from_parts`]
    /// and [`Package::from_files`] find.
    pub fn open(dir: &Path) -> Result<Self, NetError> {
        Self::open_on(&RealDisk, dir)
    }

    /// [`Package::open`] on any disk.
    ///
    /// # Errors
    /// As there.
    pub fn open_on(disk: &dyn Disk, dir: &Path) -> Result<Self, NetError> {
        let card = read_inside(disk, dir, CARD, "the model card", MAX_CARD)?;
        let names = Architecture::of(&Card::parse(&card)?)?.files();
        if names == [WEIGHTS] {
            let weights = read_inside(disk, dir, WEIGHTS, "the weights file", MAX_WEIGHTS)?;
            return Self::from_parts(&card, &weights);
        }
        let read = |&name: &&'static str| Ok((name, read_inside(disk, dir, name, name, MAX_BROUGHT)?));
        Self::from_files(&card, names.iter().map(read).collect::<Result<_, NetError>>()?)
    }

    /// Only the card of a package, without its weights.
    ///
    /// # Errors
    /// As [`Package::open`], as far as the card goes.
    pub fn read_card(dir: &Path) -> Result<Card, NetError> {
        Self::read_card_on(&RealDisk, dir)
    }

    /// [`Package::read_card`] on any disk.
    ///
    /// # Errors
    /// As there.
    pub fn read_card_on(disk: &dyn Disk, dir: &Path) -> Result<Card, NetError> {
        let card = Card::parse(&read_inside(disk, dir, CARD, "the model card", MAX_CARD)?)?;
        Architecture::of(&card)?;
        Ok(card)
    }

    /// A brought model of its card and files. What the card says of the graph is checked when it is made ready to run;
    /// here only that the files are those that the card asks for.
    ///
    /// # Errors
    /// A card that is not usable, a file too many or too few, or too large.
    pub fn from_files(card: &[u8], files: Vec<(&'static str, Vec<u8>)>) -> Result<Self, NetError> {
        limit("the model card", card.len() as u64, MAX_CARD)?;
        let parsed = Card::parse(card)?;
        let architecture = Architecture::of(&parsed)?;
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        if names != architecture.files() || names == [WEIGHTS] {
            let wanted = architecture.files().join(", ");
            return Err(NetError::BadCard(format!(
                "the card asks for {wanted}, there is {}",
                names.join(", ")
            )));
        }
        // Lengths first: no two sets of files hash as the same bytes.
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(card.len() as u64).to_le_bytes()).update(card);
        for (name, bytes) in &files {
            limit(name, bytes.len() as u64, MAX_BROUGHT)?;
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        }
        Ok(Self {
            card: parsed,
            architecture,
            hash: ModelHash(*hasher.finalize().as_bytes()),
            card_json: card.into(),
            files: files.into_iter().map(|(name, bytes)| (name, bytes.into())).collect(),
            places: Arc::default(),
        })
    }

    /// The bytes of one of its files.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|(known, _)| *known == name).map(|(_, bytes)| &bytes[..])
    }

    /// Others made its weights, and it cannot be trained further here.
    #[must_use]
    pub fn is_brought(&self) -> bool {
        matches!(self.architecture, Architecture::OnnxEmbedder(_) | Architecture::OnnxDetector(_))
    }

    /// Checks the bytes of a card and of a safetensors file against each other: exactly the tensors
    /// that the card's architecture promises, each of its shape, f16 or f32, every number finite.
    ///
    /// # Errors
    /// The first thing that is wrong, by name. Memory stays within a few times the size of the input.
    pub fn from_parts(card: &[u8], weights: &[u8]) -> Result<Self, NetError> {
        limit("the model card", card.len() as u64, MAX_CARD)?;
        limit("the weights file", weights.len() as u64, MAX_WEIGHTS)?;
        let parsed = Card::parse(card)?;
        let architecture = Architecture::of(&parsed)?;
        if architecture.files() != [WEIGHTS] {
            let family = architecture.family();
            return Err(NetError::BadCard(format!("{family} comes as an ONNX file, not as bare weights")));
        }
        let places = locate(weights)?;
        let inventory = architecture.inventory(&parsed);
        for (name, shape) in &inventory {
            let place = places
                .get(name)
                .ok_or_else(|| NetError::WrongShape(format!("tensor {name:?} is missing")))?;
            if place.shape != *shape {
                return Err(NetError::WrongShape(format!(
                    "tensor {name:?} has shape {:?}, expected {shape:?}",
                    place.shape
                )));
            }
        }
        if places.len() > inventory.len() {
            let stranger = places.keys().find(|name| inventory.iter().all(|(n, _)| n != *name));
            return Err(NetError::WrongShape(format!(
                "tensor {:?} is not part of the architecture",
                stranger.map_or("", String::as_str)
            )));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(card.len() as u64).to_le_bytes()).update(card).update(weights);
        let package = Self {
            card: parsed,
            architecture,
            hash: ModelHash(*hasher.finalize().as_bytes()),
            card_json: card.into(),
            files: Arc::new([(WEIGHTS, weights.into())]),
            places: Arc::new(places),
        };
        match inventory.iter().find(|(name, _)| !package.numbers(name).iter().all(|x| x.is_finite())) {
            Some((name, _)) => Err(NetError::NotFinite(name.clone())),
            None => Ok(package),
        }
    }

    /// Makes a package of freshly trained numbers, stored as f16.
    ///
    /// # Errors
    /// As [`Package::from_parts`]: what a trainer hands over is checked like what comes from outside.
    pub fn build(card: &Card, tensors: &[Tensor]) -> Result<Self, NetError> {
        let card_json = serde_json::to_vec_pretty(card).map_err(|e| NetError::BadCard(e.to_string()))?;
        let halves: Vec<Vec<u8>> = tensors
            .iter()
            .map(|t| t.data.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect())
            .collect();
        let views: Vec<(&str, TensorView<'_>)> = tensors
            .iter()
            .zip(&halves)
            .map(|(t, bytes)| Ok((t.name.as_str(), TensorView::new(Dtype::F16, t.shape.clone(), bytes)?)))
            .collect::<Result<_, _>>()
            .map_err(|e: safetensors::SafeTensorError| NetError::BadWeights(e.to_string()))?;
        let weights = safetensors::serialize(views, None).map_err(|e| NetError::BadWeights(e.to_string()))?;
        Self::from_parts(&card_json, &weights)
    }

    /// Writes `DIR/card.json` and the other files, making the folder if need be. Each file
    /// is written aside and renamed, so that a reader never sees half of one.
    ///
    /// # Errors
    /// What the disk said.
    pub fn save(&self, dir: &Path) -> Result<(), NetError> {
        self.save_on(&RealDisk, dir)
    }

    /// [`Package::save`] on any disk.
    ///
    /// # Errors
    /// As there.
    pub fn save_on(&self, disk: &dyn Disk, dir: &Path) -> Result<(), NetError> {
        let unwritable =
            |path: &Path, source| NetError::Unwritable { path: path.display().to_string(), source };
        disk.create_dir_all(dir).map_err(|source| unwritable(dir, source))?;
        let files = self.files.iter().map(|(name, bytes)| (*name, bytes));
        for (name, bytes) in files.chain([(CARD, &self.card_json)]) {
            let path = dir.join(name);
            twinset_disk::replace(disk, &path, |file| file.write_all(bytes))
                .map_err(|source| unwritable(&path, source))?;
        }
        Ok(())
    }

    /// The detector that ships inside the binary.
    #[must_use]
    pub fn default_detector() -> Self {
        Self::shipped(
            include_bytes!("../../../models/detector/card.json"),
            include_bytes!("../../../models/detector/weights.safetensors"),
        )
    }

    /// The embedder that ships inside the binary.
    #[must_use]
    pub fn default_embedder() -> Self {
        Self::shipped(
            include_bytes!("../../../models/embedder/card.json"),
            include_bytes!("../../../models/embedder/weights.safetensors"),
        )
    }

    fn shipped(card: &[u8], weights: &[u8]) -> Self {
        match Self::from_parts(card, weights) {
            Ok(package) => package,
            Err(error) => panic!("a model inside this binary is damaged: {error}"),
        }
    }

    /// The same architecture with random weights (He et al. 2015), a baseline of every evaluation; for a brought
    /// model, whose graph we do not rewrite, that of the shipped model of its kind.
    #[must_use]
    pub fn randomised(&self, seed: u64) -> Self {
        match &self.architecture {
            Architecture::OnnxEmbedder(_) => return Self::default_embedder().randomised(seed),
            Architecture::OnnxDetector(_) => return Self::default_detector().randomised(seed),
            Architecture::RepVggLite(_) | Architecture::GflLite(_) => {}
        }
        let mut card = self.card.clone();
        card.name = format!("random-{seed}");
        Self::random(&card, seed).unwrap_or_else(|e| unreachable!("the card was accepted before: {e}"))
    }

    /// A package for `card` whose weights are drawn by He's rule from `seed`; biases are zero.
    ///
    /// # Errors
    /// If the card is not usable.
    pub fn random(card: &Card, seed: u64) -> Result<Self, NetError> {
        let mut state = seed;
        let tensors: Vec<Tensor> = Architecture::of(card)?
            .inventory(card)
            .into_iter()
            .map(|(name, shape)| {
                let count = shape.iter().product();
                let data = if name == "gem.p" {
                    vec![3.0]
                } else if shape.len() == 1 {
                    vec![0.0; count]
                } else {
                    let fan_in: usize = shape[1..].iter().product();
                    let bound = (6.0 / fan_in as f32).sqrt();
                    (0..count).map(|_| bound * signed_unit(&mut state)).collect()
                };
                Tensor { name, shape, data }
            })
            .collect();
        Self::build(card, &tensors)
    }

    /// The card.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The bytes of the card.
    pub(crate) fn card_json(&self) -> &[u8] {
        &self.card_json
    }

    /// The card's architecture, read and checked.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Content hash.
    #[must_use]
    pub fn hash(&self) -> ModelHash {
        self.hash
    }

    /// One tensor as f32, for tools; `None` if the architecture has none of that name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<Tensor> {
        let place = self.places.get(name)?;
        Some(Tensor { name: name.into(), shape: place.shape.clone(), data: self.numbers(name) })
    }

    /// All tensors by name, for tools.
    #[must_use]
    pub fn tensors(&self) -> Vec<Tensor> {
        self.places.keys().filter_map(|name| self.tensor(name)).collect()
    }

    /// The numbers of a tensor of the inventory.
    pub(crate) fn numbers(&self, name: &str) -> Vec<f32> {
        let place = &self.places[name];
        let bytes = &self.files[0].1[place.bytes.clone()];
        match place.dtype {
            Dtype::F16 => bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            _ => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        }
    }
}

const CARD: &str = "card.json";

fn limit(what: &'static str, found: u64, limit: u64) -> Result<(), NetError> {
    if found > limit { Err(NetError::TooLarge { what, found, limit }) } else { Ok(()) }
}

/// Reads `dir/name`. A link that leads out of the folder is not followed: a package from elsewhere must not make us
/// read what it could not bring.
pub(crate) fn read_inside(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    what: &'static str,
    max: u64,
) -> Result<Vec<u8>, NetError> {
    let path = dir.join(name);
    if let (Ok(folder), Ok(file)) = (dir.canonicalize(), path.canonicalize())
        && !file.starts_with(&folder)
    {
        return Err(NetError::Outside {
            path: path.display().to_string(),
            leads_to: file.display().to_string(),
        });
    }
    read(disk, &path, what, max)
}

fn read(disk: &dyn Disk, path: &Path, what: &'static str, max: u64) -> Result<Vec<u8>, NetError> {
    let unreadable = |source| NetError::Unreadable { path: path.display().to_string(), source };
    let file = disk.open(path).map_err(unreadable)?;
    // Whatever length it says it has (a pipe has none), `take` holds.
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    limit(what, bytes.len() as u64, max)?;
    Ok(bytes)
}

/// Finds every tensor of a safetensors file; the header's length is checked before it is parsed.
fn locate(weights: &[u8]) -> Result<BTreeMap<String, Place>, NetError> {
    let bad = NetError::BadWeights;
    let Some((length, _)) = weights.split_first_chunk::<8>() else {
        return Err(bad(format!("{} bytes are too few for a safetensors file", weights.len())));
    };
    let header = u64::from_le_bytes(*length);
    limit("the safetensors header", header, MAX_HEADER)?;
    let file = SafeTensors::deserialize(weights).map_err(|e| bad(e.to_string()))?;
    let mut places = BTreeMap::new();
    for (name, view) in file.iter() {
        if !matches!(view.dtype(), Dtype::F16 | Dtype::F32) {
            return Err(bad(format!(
                "tensor {name:?} is of type {:?}, only F16 and F32 are taken",
                view.dtype()
            )));
        }
        let start = view.data().as_ptr() as usize - weights.as_ptr() as usize;
        let bytes = start..start + view.data().len();
        places.insert(name.to_owned(), Place { shape: view.shape().to_vec(), dtype: view.dtype(), bytes });
    }
    Ok(places)
}

/// Uniform in -1..1, by splitmix64.
pub(crate) fn signed_unit(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}
