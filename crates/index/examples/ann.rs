//! The contender protocol on stdin and stdout; `TWINSET_ANN` chooses `exact`, `lean` or `fine`.
fn main() -> std::io::Result<()> {
    twinset_index::contender::serve(std::io::stdin().lock(), std::io::stdout().lock())
}
