//! Brought models at work: pixels in the order they want, outputs as our own networks give them.

use twinset_brought::{Array, BroughtError, Graph, Words};
use twinset_photo::Photo;

use crate::architecture::{LOCAL_DIM, MODEL, TEXT_MODEL, TOKENIZER};
use crate::package::signed_unit;
use crate::{
    Architecture, Boxes, EmbedderOutput, FeatureMap, Layout, NetError, OnnxDetector, OnnxEmbedder, Package,
    Pixels, Pool, TextTower, Tokens,
};

/// Which engine may take a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// The fastest of this machine.
    Fastest,
    /// Only the one that is always there.
    Rten,
}

fn open(bytes: &[u8], given: &[&str], take: Take) -> Result<Graph, BroughtError> {
    match take {
        Take::Fastest => Graph::open(bytes, given),
        Take::Rten => Graph::open_in_rten(bytes),
    }
}

/// An embedder that others made, ready to run and shared by all threads.
pub struct BroughtEmbedder {
    graph: Graph,
    plan: OnnxEmbedder,
    /// `[LOCAL_DIM, tokens.width]`: brings tokens to the length of ours.
    projection: Vec<f32>,
    reader: Option<Reader>,
}

/// What reads words.
struct Reader {
    tower: TextTower,
    own: Option<Graph>,
    words: Words,
}

impl BroughtEmbedder {
    /// Opens the graph and runs it once: a card that does not fit its graph shows here, not at the first photo.
    ///
    /// # Errors
    /// Another kind of package, or what is wrong with the graph.
    pub fn new(package: &Package) -> Result<Self, NetError> {
        Self::open(package, Take::Fastest)
    }

    pub(crate) fn open(package: &Package, take: Take) -> Result<Self, NetError> {
        let Architecture::OnnxEmbedder(plan) = package.architecture().clone() else {
            return Err(wrong_kind(package, "embedder"));
        };
        // In one graph for both towers ONNX Runtime wants all inputs for either, rten only those that are needed.
        let both = plan.text.as_ref().is_some_and(|text| !text.own_graph);
        let take_here = if both { Take::Rten } else { take };
        let graph = open(file(package, MODEL), &[&plan.pixels.input], take_here)?;
        let reader = plan.text.clone().map(|tower| {
            let inputs: Vec<&str> =
                [Some(tower.ids.as_str()), tower.mask.as_deref()].into_iter().flatten().collect();
            let own = tower.own_graph.then(|| open(file(package, TEXT_MODEL), &inputs, take)).transpose()?;
            let words = Words::read(file(package, TOKENIZER), tower.length)?;
            Ok::<_, NetError>(Reader { own, words, tower })
        });
        let width = plan.tokens.as_ref().map_or(0, |tokens| tokens.width);
        let mut state = 0x0074_776f_7365_7421;
        // Random directions keep angles (Johnson and Lindenstrauss 1984); the same for every model of a width.
        let projection = (0..LOCAL_DIM * width).map(|_| signed_unit(&mut state)).collect();
        let net = Self { graph, projection, reader: reader.transpose()?, plan };
        let side = net.plan.side as u32;
        net.look(&Photo::new(side, side, vec![128; (side * side * 3) as usize]))?;
        if let Some(reader) = &net.reader {
            net.read_by(reader, "a red dress")?;
        }
        Ok(net)
    }

    /// How it is spoken to.
    #[must_use]
    pub fn plan(&self) -> &OnnxEmbedder {
        &self.plan
    }

    /// What computes, for people.
    #[must_use]
    pub fn engine(&self) -> String {
        self.graph.engine_name()
    }

    /// It has a text tower.
    #[must_use]
    pub fn reads_words(&self) -> bool {
        self.reader.is_some()
    }

    /// Runs over one crop of `side` x `side` pixels. Without tokens the map has one place, of zeros.
    ///
    /// # Errors
    /// [`NetError::Failed`]: a graph may do on one crop what it did not do when it was opened.
    ///
    /// # Panics
    /// If the crop has another size.
    pub fn run(&self, crop: &Photo) -> Result<EmbedderOutput, NetError> {
        self.look(crop).map_err(|error| error.on_this("picture"))
    }

    fn look(&self, crop: &Photo) -> Result<EmbedderOutput, NetError> {
        let plan = &self.plan;
        let mut wanted = vec![plan.output.as_str()];
        if let Some(tokens) = plan.tokens.as_ref().filter(|tokens| tokens.output != plan.output) {
            wanted.push(&tokens.output);
        }
        let picture = picture(crop, plan.side, &plan.pixels);
        let mut arrays = self.graph.run(&[(&plan.pixels.input, picture)], &wanted)?.into_iter();
        let lost = || NetError::Unusable(format!("output {:?} is not there", plan.output));
        let whole = arrays.next().ok_or_else(lost)?;
        let parts = arrays.next();
        let local = match &plan.tokens {
            Some(tokens) => self.local(tokens, parts.as_ref().unwrap_or(&whole))?,
            None => {
                FeatureMap { channels: LOCAL_DIM + 1, height: 1, width: 1, data: vec![0.0; LOCAL_DIM + 1] }
            }
        };
        let embedding = pooled(whole, plan.pool)?;
        if embedding.len() != plan.dim {
            let (found, dim) = (embedding.len(), plan.dim);
            return Err(NetError::Unusable(format!("its vectors have {found} numbers, the card says {dim}")));
        }
        Ok(EmbedderOutput { embedding, category: Vec::new(), pattern: Vec::new(), local })
    }

    /// Tokens with what all of the crop have in common taken away, brought to `LOCAL_DIM` numbers. The further a token
    /// lies from that common part, the more salient it is.
    fn local(&self, tokens: &Tokens, array: &Array) -> Result<FeatureMap, NetError> {
        let (places, width) = (tokens.grid * tokens.grid, tokens.width);
        let numbers = array.clone().into_floats();
        if numbers.len() != (tokens.skip + places) * width {
            let shape = &array.shape;
            return Err(NetError::Unusable(format!(
                "its tokens have shape {shape:?}, the card says another"
            )));
        }
        let mut rows: Vec<f32> = numbers[tokens.skip * width..].to_vec();
        let mean: Vec<f32> =
            (0..width).map(|c| rows.iter().skip(c).step_by(width).sum::<f32>() / places as f32).collect();
        let mut lengths = Vec::with_capacity(places);
        for row in rows.chunks_exact_mut(width) {
            row.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
            lengths.push(row.iter().map(|x| x * x).sum::<f32>().sqrt());
        }
        let usual = (lengths.iter().sum::<f32>() / places as f32).max(1e-12);
        let mut data = vec![0.0; (LOCAL_DIM + 1) * places];
        for (place, row) in rows.chunks_exact(width).enumerate() {
            for (c, direction) in self.projection.chunks_exact(width).enumerate() {
                data[c * places + place] = row.iter().zip(direction).map(|(x, d)| x * d).sum();
            }
            data[LOCAL_DIM * places + place] = 4.0 * (lengths[place] / usual - 1.0);
        }
        Ok(FeatureMap { channels: LOCAL_DIM + 1, height: tokens.grid, width: tokens.grid, data })
    }

    /// The vector of a text, not normalised, `dim` long.
    ///
    /// # Errors
    /// There is no text tower, or [`NetError::Failed`]: it cannot read this.
    pub fn read(&self, text: &str) -> Result<Vec<f32>, NetError> {
        let none = || NetError::Unusable("it has no text tower, so it reads no words".into());
        self.read_by(self.reader.as_ref().ok_or_else(none)?, text).map_err(|error| error.on_this("text"))
    }

    fn read_by(&self, reader: &Reader, text: &str) -> Result<Vec<f32>, NetError> {
        let Reader { tower, own, words } = reader;
        let (ids, mask) = words.ids(text)?;
        let mut inputs = vec![(tower.ids.as_str(), Array::int(&[1, tower.length], ids))];
        inputs.extend(tower.mask.as_deref().map(|name| (name, Array::int(&[1, tower.length], mask))));
        let mut found = own.as_ref().unwrap_or(&self.graph).run(&inputs, &[&tower.output])?;
        let vector = found.pop().map(Array::into_floats).unwrap_or_default();
        if vector.len() != self.plan.dim {
            let (found, dim) = (vector.len(), self.plan.dim);
            return Err(NetError::Unusable(format!(
                "vectors of words have {found} numbers, those of pictures {dim}; they are not of one model"
            )));
        }
        Ok(vector)
    }
}

/// The embedding that an output holds.
pub(crate) fn pooled(array: Array, pool: Pool) -> Result<Vec<f32>, NetError> {
    let shape = array.shape.clone();
    let numbers = array.into_floats();
    match (pool, &shape[..]) {
        (Pool::All, _) => Ok(numbers),
        (Pool::First, &[1, rows, width]) if rows > 0 => Ok(numbers[..width].to_vec()),
        (Pool::Mean, &[1, rows, width]) if rows > 0 => {
            Ok((0..width).map(|c| numbers.iter().skip(c).step_by(width).sum::<f32>() / rows as f32).collect())
        }
        _ => Err(NetError::Unusable(format!("an output of shape {shape:?} holds no vector for each part"))),
    }
}

/// A detector that others made, ready to run and shared by all threads.
pub struct BroughtDetector {
    graph: Graph,
    plan: OnnxDetector,
}

impl BroughtDetector {
    /// Opens the graph and runs it once.
    ///
    /// # Errors
    /// Another kind of package, or what is wrong with the graph.
    pub fn new(package: &Package) -> Result<Self, NetError> {
        Self::open(package, Take::Fastest)
    }

    pub(crate) fn open(package: &Package, take: Take) -> Result<Self, NetError> {
        let Architecture::OnnxDetector(plan) = package.architecture().clone() else {
            return Err(wrong_kind(package, "detector"));
        };
        let given: Vec<&str> =
            [Some(plan.pixels.input.as_str()), plan.size.as_deref()].into_iter().flatten().collect();
        let net = Self { graph: open(file(package, MODEL), &given, take)?, plan };
        let side = net.plan.side as u32;
        net.look(&Photo::new(side, side, vec![128; (side * side * 3) as usize]))?;
        Ok(net)
    }

    /// How it is spoken to.
    #[must_use]
    pub fn plan(&self) -> &OnnxDetector {
        &self.plan
    }

    /// What computes, for people.
    #[must_use]
    pub fn engine(&self) -> String {
        self.graph.engine_name()
    }

    /// Runs over one photo of `side` x `side` pixels; the outputs as [`Boxes`] says, with boxes in pixels of that
    /// photo where they are not in 0..=1.
    ///
    /// # Errors
    /// As [`BroughtEmbedder::run`].
    ///
    /// # Panics
    /// As [`BroughtEmbedder::run`].
    pub fn run(&self, photo: &Photo) -> Result<Vec<Array>, NetError> {
        self.look(photo).map_err(|error| error.on_this("picture"))
    }

    fn look(&self, photo: &Photo) -> Result<Vec<Array>, NetError> {
        let plan = &self.plan;
        let mut inputs = vec![(plan.pixels.input.as_str(), picture(photo, plan.side, &plan.pixels))];
        let side = plan.side as i64;
        inputs.extend(plan.size.as_deref().map(|name| (name, Array::int(&[1, 2], vec![side, side]))));
        let outputs: Vec<&str> = plan.outputs.iter().map(String::as_str).collect();
        let found = self.graph.run(&inputs, &outputs)?;
        fits(plan.boxes, &found)?;
        Ok(found)
    }
}

/// Whether outputs can hold such boxes.
pub(crate) fn fits(boxes: Boxes, outputs: &[Array]) -> Result<(), NetError> {
    let shapes: Vec<&[usize]> = outputs.iter().map(|a| &a.shape[..]).collect();
    let fit = match (boxes, &shapes[..]) {
        (Boxes::YoloColumns, [[1, rows, _]]) => *rows > 4,
        (Boxes::YoloRows, [[1, _, columns]]) => *columns > 4,
        (Boxes::YoloObjectness, [[1, _, columns]]) => *columns > 5,
        (Boxes::Final, [[1, _, columns]]) => *columns == 6,
        (Boxes::Detr, [[1, a, classes], [1, b, 4]]) => a == b && *classes > 0,
        (Boxes::DetrSoftmax, [[1, a, classes], [1, b, 4]]) => a == b && *classes > 1,
        (Boxes::Deployed, [[1, a], [1, b, 4], [1, c]]) => a == b && b == c,
        _ => false,
    };
    if fit {
        Ok(())
    } else {
        Err(NetError::Unusable(format!("outputs of shapes {shapes:?} are not {boxes:?}")))
    }
}

/// A photo as a graph wants it.
pub(crate) fn picture(photo: &Photo, side: usize, pixels: &Pixels) -> Array {
    assert!(
        (photo.width() as usize, photo.height() as usize) == (side, side),
        "a photo of {} x {} was given to a network of side {side}; cut it with `window` first",
        photo.width(),
        photo.height()
    );
    let number = |c: usize, byte: u8| (f32::from(byte) / 255.0 - pixels.mean[c]) / pixels.std[c];
    let rgb = photo.rgb();
    match pixels.layout {
        Layout::Nhwc => Array::float(
            &[1, side, side, 3],
            rgb.iter().enumerate().map(|(i, &b)| number(i % 3, b)).collect(),
        ),
        Layout::Nchw => {
            let channel = |c: usize| rgb.iter().skip(c).step_by(3).map(move |&b| number(c, b));
            Array::float(&[1, 3, side, side], (0..3).flat_map(channel).collect())
        }
    }
}

fn file<'a>(package: &'a Package, name: &str) -> &'a [u8] {
    package.file(name).unwrap_or_else(|| unreachable!("a package has the files of its architecture"))
}

fn wrong_kind(package: &Package, expected: &'static str) -> NetError {
    let card = package.card();
    NetError::WrongKind { name: card.name.clone(), found: card.kind.clone(), expected }
}
