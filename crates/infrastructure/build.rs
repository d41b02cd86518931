//! Cargo does not see a new file below `migrations/` by itself, and would go on with the old schema.

#[expect(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
