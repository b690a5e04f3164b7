//! Training throughput of both networks on constant pictures: `cargo run --release -p twinset-train --example speed`.
fn main() {
    for (name, pictures_per_second) in twinset_train::throughput(10) {
        println!("{name}: {pictures_per_second:.1} pictures a second");
    }
}
