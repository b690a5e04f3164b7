//! What an ONNX file says about itself, and what is refused before an engine reads it.

use std::collections::BTreeMap;

use rten_onnx::onnx::{DataLocation, DataType, GraphProto, ModelProto, TensorProto, ValueInfoProto};

use crate::BroughtError;

/// Most operators of a graph; the largest exports of vision models have some thousands.
const MAX_NODES: u64 = 50_000;
/// Deepest graph in a graph.
const MAX_DEPTH: usize = 8;
/// Largest side of an input or output that a file may fix.
const MAX_SIDE: i64 = 1 << 16;
/// Most numbers of an input or output that a file may fix.
const MAX_NUMBERS: i64 = 1 << 26;
/// Most axes.
const MAX_RANK: usize = 8;
/// Longest metadata kept, in bytes.
const MAX_NOTE: usize = 1 << 16;

/// An input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// As the graph calls it.
    pub name: String,
    /// Takes or gives floats.
    pub is_float: bool,
    /// `None`: the caller's choice.
    pub shape: Vec<Option<usize>>,
}

/// Inputs, outputs and notes of an ONNX file.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// What must be given.
    pub inputs: Vec<Port>,
    /// What can be asked for.
    pub outputs: Vec<Port>,
    /// Notes of whoever exported it, such as names of classes.
    pub notes: BTreeMap<String, String>,
    /// The program that wrote it.
    pub producer: String,
    /// Operators.
    pub nodes: usize,
    /// Numbers in its weights.
    pub parameters: u64,
}

impl Outline {
    /// Reads the file and checks everything that can be checked without running it.
    ///
    /// # Errors
    /// Not ONNX, weights outside the file, sizes that lie or cannot be meant.
    pub fn read(bytes: &[u8]) -> Result<Self, BroughtError> {
        let unreadable = |what: &str| BroughtError::Unreadable(what.into());
        let model = ModelProto::parse_buf(bytes).map_err(|e| BroughtError::Unreadable(e.to_string()))?;
        let graph = model.graph.ok_or_else(|| unreadable("there is no graph in it"))?;
        let mut outline = Self {
            producer: model.producer_name.unwrap_or_default(),
            notes: model
                .metadata_props
                .into_iter()
                .filter_map(|note| Some((note.key?, note.value?)))
                .filter(|(key, value)| key.len() + value.len() <= MAX_NOTE)
                .collect(),
            ..Self::default()
        };
        outline.take(&graph, 0)?;
        let weights: Vec<&str> = graph.initializer.iter().filter_map(|t| t.name.as_deref()).collect();
        // Old exports list their weights among the inputs.
        let given = |port: &&ValueInfoProto| !weights.contains(&port.name.as_deref().unwrap_or_default());
        outline.inputs = graph.input.iter().filter(given).map(port).collect::<Result<_, _>>()?;
        outline.outputs = graph.output.iter().map(port).collect::<Result<_, _>>()?;
        if outline.inputs.is_empty() || outline.outputs.is_empty() {
            return Err(unreadable("its graph has no input or no output"));
        }
        Ok(outline)
    }

    fn take(&mut self, graph: &GraphProto, depth: usize) -> Result<(), BroughtError> {
        if depth > MAX_DEPTH {
            let (found, limit) = (depth as u64, MAX_DEPTH as u64);
            return Err(BroughtError::TooMany { what: "graphs inside each other", found, limit });
        }
        self.nodes += graph.node.len();
        if self.nodes as u64 > MAX_NODES {
            let found = self.nodes as u64;
            return Err(BroughtError::TooMany { what: "operators", found, limit: MAX_NODES });
        }
        for tensor in &graph.initializer {
            self.parameters += weights(tensor)?;
        }
        for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
            if let Some(tensor) = &attribute.t {
                self.parameters += weights(tensor)?;
            }
            if let Some(inner) = &attribute.g {
                self.take(inner, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The input of this name.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<&Port> {
        self.inputs.iter().find(|port| port.name == name)
    }

    /// The output of this name.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&Port> {
        self.outputs.iter().find(|port| port.name == name)
    }
}

/// Checks that a tensor holds what its shape says; returns how many numbers that are.
fn weights(tensor: &TensorProto) -> Result<u64, BroughtError> {
    let name = tensor.name.clone().unwrap_or_default();
    let wild = |what: String| BroughtError::WildShape { name: name.clone(), what };
    if tensor.data_location == Some(DataLocation::EXTERNAL) || !tensor.external_data.is_empty() {
        let location = tensor.external_data.iter().find(|e| e.key.as_deref() == Some("location"));
        let location = location.and_then(|e| e.value.clone()).unwrap_or_default();
        return Err(BroughtError::ExternalData { tensor: name, location });
    }
    if tensor.dims.len() > MAX_RANK {
        return Err(wild(format!("has {} axes, more than {MAX_RANK}", tensor.dims.len())));
    }
    let count = tensor.dims.iter().try_fold(1u64, |all, &side| all.checked_mul(u64::try_from(side).ok()?));
    let count = count.ok_or_else(|| wild(format!("has the impossible shape {:?}", tensor.dims)))?;
    let (held, least) = match &tensor.raw_data {
        Some(raw) => {
            let bits = bits(tensor.data_type.unwrap_or(DataType(0)));
            (raw.borrow().len() as u64, count.saturating_mul(bits).div_ceil(8))
        }
        None => {
            let lists = [tensor.float_data.len(), tensor.int32_data.len(), tensor.int64_data.len()];
            let held = lists.into_iter().chain([tensor.double_data.len()]).max().unwrap_or(0) as u64;
            // Text is not weights: the engine will say that it takes none.
            (held, if tensor.data_type == Some(DataType(8)) { 0 } else { count.min(held.max(1) * 2) })
        }
    };
    let fits = if tensor.raw_data.is_some() { held == least } else { held >= least && held <= count.max(1) };
    if !fits {
        let shape = &tensor.dims;
        return Err(wild(format!("has the shape {shape:?}, but {held} of {least} bytes or numbers follow")));
    }
    Ok(count)
}

/// Of one number of a tensor's type, as the ONNX standard lists them.
fn bits(kind: DataType) -> u64 {
    match kind.0 {
        7 | 11 | 13 | 14 => 64,
        1 | 6 | 12 => 32,
        4 | 5 | 10 | 16 => 16,
        15 => 128,
        21..=23 => 4,
        _ => 8,
    }
}

fn port(value: &ValueInfoProto) -> Result<Port, BroughtError> {
    let name = value.name.clone().unwrap_or_default();
    let wild = |what: String| BroughtError::WildShape { name: name.clone(), what };
    let tensor = value.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| wild("is no tensor".into()))?;
    let sides = tensor.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    if sides.len() > MAX_RANK {
        return Err(wild(format!("has {} axes, more than {MAX_RANK}", sides.len())));
    }
    let mut numbers = 1i64;
    let mut shape = Vec::with_capacity(sides.len());
    for side in sides {
        let fixed = side.dim_value.filter(|&n| n != 0 && n != -1);
        if let Some(n) = fixed {
            numbers = numbers.saturating_mul(n);
            if !(1..=MAX_SIDE).contains(&n) || numbers > MAX_NUMBERS {
                return Err(wild(format!("has an axis of {n}; that is no picture and no feature of one")));
            }
        }
        shape.push(fixed.map(|n| n as usize));
    }
    let is_float = matches!(tensor.elem_type, Some(DataType(1 | 10 | 11 | 16)));
    Ok(Port { name, is_float, shape })
}
