//! `cargo bench -p bench`: the same as `cargo run --release -p bench -- batch`.

fn main() {
    bench::batch::run(&bench::batch::Options::default());
}
