//! ONNX Runtime, where a library of it is found: two to four times as fast on convolutions.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::session::{RunOptions, Session as OrtSession, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType, ValueType};

use crate::{Array, BroughtError, Numbers, Outline};

/// Names the library, or says `off`.
const TOLD_BY: &str = "TWINSET_ONNXRUNTIME";

/// A loaded library.
pub(crate) struct Library {
    environment: ort::environment::Environment,
    name: String,
}

/// One model in it.
pub(crate) struct Session {
    session: Mutex<OrtSession>,
    name: String,
}

/// The library of this machine, looked for once: where `TWINSET_ONNXRUNTIME` says, beside the program, and where
/// systems keep libraries.
pub(crate) fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY
        .get_or_init(|| {
            let path = find()?;
            // A file of that name need not be what it says, nor of a version that `ort` speaks to.
            match std::panic::catch_unwind(|| Library::load(&path)) {
                Ok(Ok(library)) => {
                    tracing::info!(engine = %library.name, "brought models run on ONNX Runtime");
                    Some(library)
                }
                Ok(Err(error)) => {
                    tracing::warn!(path = %path.display(), %error, "not a usable ONNX Runtime");
                    None
                }
                Err(_) => {
                    tracing::warn!(path = %path.display(), "not an ONNX Runtime of a known version");
                    None
                }
            }
        })
        .as_ref()
}

fn find() -> Option<PathBuf> {
    match std::env::var_os(TOLD_BY) {
        Some(told) if told == "off" => return None,
        Some(told) => return Some(told.into()),
        None => {}
    }
    let name = format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    let fixed = ["/usr/local/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let folders = beside.into_iter().chain(fixed.map(PathBuf::from));
    folders.map(|folder| folder.join(&name)).find(|path| path.is_file())
}

impl Library {
    fn load(path: &Path) -> Result<Self, String> {
        let builder = ort::init_from(path).map_err(|e| e.to_string())?;
        let environment = builder.with_name("twinset").build().map_err(|e| e.to_string())?;
        let name = format!("ONNX Runtime ({})", path.display());
        Ok(Self { environment, name })
    }

    /// Loads a model.
    pub(crate) fn open(&self, bytes: &[u8]) -> Result<Session, BroughtError> {
        let failed = |e: &dyn std::fmt::Display| BroughtError::NotLoaded {
            engine: self.name.clone(),
            reason: e.to_string(),
        };
        let mut builder = OrtSession::builder(&self.environment).map_err(|e| failed(&e))?;
        let session = builder.commit_from_memory(bytes).map_err(|e| failed(&e))?;
        Ok(Session { session: Mutex::new(session), name: self.name.clone() })
    }
}

impl Session {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn run(
        &self,
        outline: &Outline,
        inputs: &[(&str, Array)],
        outputs: &[&str],
    ) -> Result<Vec<Array>, String> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds: Vec<(String, Option<TensorElementType>)> = session
            .inputs()
            .iter()
            .map(|port| match port.dtype() {
                ValueType::Tensor { ty, .. } => (port.name().to_owned(), Some(*ty)),
                _ => (port.name().to_owned(), None),
            })
            .collect();
        let mut given: Vec<(&str, SessionInputValue<'_>)> = Vec::new();
        for (name, array) in inputs.iter().filter(|(name, _)| outline.input(name).is_some()) {
            let kind = kinds.iter().find(|(known, _)| known == name).and_then(|(_, kind)| *kind);
            given.push((name, value(array, kind).map_err(|e| e.to_string())?.into()));
        }
        let wanted =
            outputs.iter().fold(ort::session::OutputSelector::no_default(), |all, name| all.with(*name));
        let options = RunOptions::new().map_err(|e| e.to_string())?.with_outputs(wanted);
        let mut found = session.run_with_options(given, &options).map_err(|e| e.to_string())?;
        let take =
            |name: &&str| array(&found.remove(*name).ok_or_else(|| format!("there is no output {name:?}"))?);
        outputs.iter().map(take).collect()
    }
}

fn value(array: &Array, kind: Option<TensorElementType>) -> ort::Result<DynValue> {
    let shape = array.shape.clone();
    Ok(match (&array.numbers, kind) {
        (Numbers::Float(numbers), _) => Tensor::from_array((shape, numbers.clone()))?.into_dyn(),
        (Numbers::Int(numbers), Some(TensorElementType::Int32)) => {
            let narrow: Vec<i32> =
                numbers.iter().map(|&x| x.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32).collect();
            Tensor::from_array((shape, narrow))?.into_dyn()
        }
        (Numbers::Int(numbers), _) => Tensor::from_array((shape, numbers.clone()))?.into_dyn(),
    })
}

fn array(value: &DynValue) -> Result<Array, String> {
    let shape = |sides: &[i64]| sides.iter().map(|&n| n.max(0) as usize).collect::<Vec<_>>();
    if let Ok((sides, numbers)) = value.try_extract_tensor::<f32>() {
        return Ok(Array { shape: shape(sides), numbers: Numbers::Float(numbers.to_vec()) });
    }
    if let Ok((sides, numbers)) = value.try_extract_tensor::<i64>() {
        return Ok(Array { shape: shape(sides), numbers: Numbers::Int(numbers.to_vec()) });
    }
    match value.try_extract_tensor::<i32>() {
        Ok((sides, numbers)) => Ok(Array {
            shape: shape(sides),
            numbers: Numbers::Int(numbers.iter().map(|&x| i64::from(x)).collect()),
        }),
        Err(error) => Err(error.to_string()),
    }
}
