//! Cargo does not see a new file below `migrations/` by itself, and would go on with the old schema.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
