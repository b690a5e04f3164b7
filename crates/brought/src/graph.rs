//! A graph in an engine, ready to run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rten::{Model, NodeId, Value, ValueOrView, ValueView};
use rten_tensor::prelude::*;

use crate::{Array, BroughtError, Numbers, Outline};

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The one that is always there.
    Rten,
    /// A library found on this machine.
    OnnxRuntime,
}

/// A graph ready to run, shared by all threads.
pub struct Graph {
    outline: Outline,
    loaded: Loaded,
}

enum Loaded {
    Rten(Box<Model>),
    #[cfg(feature = "onnxruntime")]
    OnnxRuntime(crate::onnxruntime::Session),
}

const RTEN: &str = "rten (pure Rust)";

impl Graph {
    /// Opens the graph in ONNX Runtime where that is found and wants no more than `given`, the names of the inputs
    /// that [`run`](Self::run) will be called with; else in rten. Which one runs is logged.
    ///
    /// # Errors
    /// What [`Outline::read`] refuses, and what the engine says.
    pub fn open(bytes: &[u8], given: &[&str]) -> Result<Self, BroughtError> {
        #[cfg(feature = "onnxruntime")]
        if let Some(library) = crate::onnxruntime::library() {
            let outline = Outline::read(bytes)?;
            if outline.inputs.iter().all(|port| given.contains(&port.name.as_str())) {
                match library.open(bytes) {
                    Ok(session) => return Ok(Self { outline, loaded: Loaded::OnnxRuntime(session) }),
                    Err(error) => tracing::warn!(%error, "the model runs on {RTEN} instead"),
                }
            }
        }
        Self::open_in_rten(bytes)
    }

    /// Opens the graph in the engine that is always there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in_rten(bytes: &[u8]) -> Result<Self, BroughtError> {
        let outline = Outline::read(bytes)?;
        let failed = |reason: String| BroughtError::NotLoaded { engine: RTEN.into(), reason };
        let model = guarded(|| Model::load(bytes.to_vec()).map_err(|e| e.to_string())).map_err(failed)?;
        Ok(Self { outline, loaded: Loaded::Rten(Box::new(model)) })
    }

    /// What runs it, with the version where it is known: for people.
    #[must_use]
    pub fn engine_name(&self) -> String {
        match &self.loaded {
            Loaded::Rten(_) => RTEN.into(),
            #[cfg(feature = "onnxruntime")]
            Loaded::OnnxRuntime(session) => session.name().into(),
        }
    }

    /// What runs it.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &self.loaded {
            Loaded::Rten(_) => Engine::Rten,
            #[cfg(feature = "onnxruntime")]
            Loaded::OnnxRuntime(_) => Engine::OnnxRuntime,
        }
    }

    /// Inputs and outputs.
    #[must_use]
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Runs as much of the graph as `outputs` need, which come back in that order. Integers are given in the width
    /// that the graph wants.
    ///
    /// # Errors
    /// An unknown name, or what the engine says. A panic of the engine is told as such an error.
    pub fn run(&self, inputs: &[(&str, Array)], outputs: &[&str]) -> Result<Vec<Array>, BroughtError> {
        let result = guarded(|| match &self.loaded {
            Loaded::Rten(model) => run_in_rten(model, inputs, outputs),
            #[cfg(feature = "onnxruntime")]
            Loaded::OnnxRuntime(session) => session.run(&self.outline, inputs, outputs),
        });
        result.map_err(|reason| BroughtError::NotRun { engine: self.engine_name(), reason })
    }
}

/// Foreign graphs reach the corners of an engine: a broken assertion there is the graph's fault, not ours.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("it panicked: {}", said.unwrap_or("without a word")))
    })
}

fn run_in_rten(model: &Model, inputs: &[(&str, Array)], outputs: &[&str]) -> Result<Vec<Array>, String> {
    let id = |name: &&str| model.node_id(name).map_err(|e| e.to_string());
    let narrow: Vec<Option<Vec<i32>>> = inputs
        .iter()
        .map(|(_, array)| match &array.numbers {
            Numbers::Float(_) => None,
            Numbers::Int(numbers) => Some(
                numbers.iter().map(|&x| x.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32).collect(),
            ),
        })
        .collect();
    let mut given: Vec<(NodeId, ValueOrView<'_>)> = Vec::with_capacity(inputs.len());
    for ((name, array), narrow) in inputs.iter().zip(&narrow) {
        let shape = array.shape.as_slice();
        let value = match (&array.numbers, narrow) {
            (Numbers::Float(numbers), _) => ValueView::from_shape(shape, numbers).map_err(|e| e.to_string()),
            (_, Some(numbers)) => ValueView::from_shape(shape, numbers).map_err(|e| e.to_string()),
            (Numbers::Int(_), None) => Err("integers were not narrowed".to_owned()),
        };
        given.push((id(name)?, value?.into()));
    }
    let wanted = outputs.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    let values = model.run(given, &wanted, None).map_err(|e| e.to_string())?;
    values.into_iter().map(array).collect()
}

fn array(value: Value) -> Result<Array, String> {
    let wide = |x: i32| i64::from(x);
    let (shape, numbers) = match value {
        Value::FloatTensor(t) => (t.shape().to_vec(), Numbers::Float(t.to_vec())),
        Value::Int32Tensor(t) => (t.shape().to_vec(), Numbers::Int(t.iter().map(|&x| wide(x)).collect())),
        Value::Int8Tensor(t) => (t.shape().to_vec(), Numbers::Int(t.iter().map(|&x| i64::from(x)).collect())),
        Value::UInt8Tensor(t) => {
            (t.shape().to_vec(), Numbers::Int(t.iter().map(|&x| i64::from(x)).collect()))
        }
        _ => return Err("an output is a sequence, not an array".into()),
    };
    Ok(Array { shape, numbers })
}
