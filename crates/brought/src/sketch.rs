//! Writes a graph down as an ONNX file.

use std::cell::RefCell;

use rten_onnx::onnx::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, TypeProtoTensor,
    ValueInfoProto,
};

use crate::BroughtError;

const FLOAT: DataType = DataType(1);
const INT64: DataType = DataType(7);
/// The operators of this version are used: `Gelu` is the youngest.
const OPSET: i64 = 20;
/// Of the file format; what knows the opset knows it.
const IR_VERSION: i64 = 9;

/// A graph in the making. Values are known by name; each operator here gives one.
#[derive(Default)]
pub struct Sketch {
    graph: GraphProto,
    notes: Vec<StringStringEntryProto>,
    named: usize,
}

/// What an operator is told beside its inputs.
pub enum Attribute {
    /// One whole number.
    Int(i64),
    /// Several.
    Ints(Vec<i64>),
    /// One number.
    Float(f32),
    /// A word.
    Text(&'static str),
}

impl Sketch {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Something to be given, floats or (`is_float` false) 64-bit integers; an axis of 0 is the caller's choice.
    pub fn input(&mut self, name: &str, is_float: bool, shape: &[i64]) -> String {
        self.graph.input.push(port(name, if is_float { FLOAT } else { INT64 }, shape));
        name.into()
    }

    /// Weights.
    ///
    /// # Panics
    /// If there are not as many as the shape says.
    pub fn weights(&mut self, shape: &[usize], numbers: &[f32]) -> String {
        assert_eq!(shape.iter().product::<usize>(), numbers.len());
        self.tensor(FLOAT, shape, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// Whole numbers, such as the new shape of a `Reshape`.
    pub fn ints(&mut self, numbers: &[i64]) -> String {
        self.tensor(INT64, &[numbers.len()], numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    fn tensor(&mut self, kind: DataType, shape: &[usize], raw: Vec<u8>) -> String {
        let name = self.name();
        self.graph.initializer.push(TensorProto {
            dims: shape.iter().map(|&n| n as i64).collect(),
            data_type: Some(kind),
            raw_data: Some(RefCell::new(raw)),
            name: Some(name.clone()),
            ..TensorProto::default()
        });
        name
    }

    /// One operator; returns the name of its result.
    pub fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let output = self.name();
        self.graph.node.push(NodeProto {
            name: Some(format!("{operator}_{output}")),
            op_type: Some(operator.into()),
            input: inputs.iter().map(|&name| name.into()).collect(),
            output: vec![output.clone()],
            attribute: attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
            ..NodeProto::default()
        });
        output
    }

    /// Lets `value` leave the graph under a name: floats, or (`is_float` false) 64-bit integers, of `rank` axes.
    pub fn output(&mut self, value: &str, name: &str, is_float: bool, rank: usize) {
        self.graph.node.push(NodeProto {
            op_type: Some("Identity".into()),
            input: vec![value.into()],
            output: vec![name.into()],
            ..NodeProto::default()
        });
        let kind = if is_float { FLOAT } else { INT64 };
        self.graph.output.push(port(name, kind, &vec![0; rank]));
    }

    /// A note in the file, such as the names of classes.
    pub fn note(&mut self, key: &str, value: &str) {
        self.notes.push(StringStringEntryProto { key: Some(key.into()), value: Some(value.into()) });
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// It would be larger than the format can hold.
    pub fn finish(self) -> Result<Vec<u8>, BroughtError> {
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("twinset".into()),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
            metadata_props: self.notes,
            ..ModelProto::default()
        };
        model.write_buf().map_err(|e| BroughtError::Unreadable(e.to_string()))
    }

    fn name(&mut self) -> String {
        self.named += 1;
        format!("v{}", self.named)
    }
}

fn port(name: &str, kind: DataType, shape: &[i64]) -> ValueInfoProto {
    let side = |&n: &i64| match n {
        0 => Dimension { dim_value: None, dim_param: Some("n".into()) },
        n => Dimension { dim_value: Some(n), dim_param: None },
    };
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto {
            tensor_type: Some(TypeProtoTensor {
                elem_type: Some(kind),
                shape: Some(TensorShapeProto { dim: shape.iter().map(side).collect() }),
            }),
            sequence: None,
        }),
    }
}

fn attribute(name: &str, value: &Attribute) -> AttributeProto {
    let of =
        |kind| AttributeProto { name: Some(name.into()), r#type: Some(kind), ..AttributeProto::default() };
    match value {
        Attribute::Int(i) => AttributeProto { i: Some(*i), ..of(AttributeType::INT) },
        Attribute::Ints(ints) => AttributeProto { ints: ints.clone(), ..of(AttributeType::INTS) },
        Attribute::Float(f) => AttributeProto { f: Some(*f), ..of(AttributeType::FLOAT) },
        Attribute::Text(s) => AttributeProto { s: Some((*s).into()), ..of(AttributeType::STRING) },
    }
}
