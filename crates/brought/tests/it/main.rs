//! Brought graphs and transformers against what PyTorch says of them (`testdata/make.py`).

mod tokens;
mod torch;
