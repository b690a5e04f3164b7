//! `twinset ann` alone, which builds in seconds: the contender of the index benchmark.
fn main() -> std::io::Result<()> {
    twinset_index::contender::serve(std::io::stdin().lock(), std::io::stdout().lock())
}
