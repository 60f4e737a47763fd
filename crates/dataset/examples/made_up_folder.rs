//! Writes a small dataset folder: `cargo run -p dataset --example made_up_folder -- DIR`. `tests/load_dataset.py`
//! loads it with the real `datasets`.

#[path = "../tests/made_up_folder/mod.rs"]
mod made_up_folder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args_os().nth(1).ok_or("usage: made_up_folder DIR")?;
    let manifest = made_up_folder::write(std::path::Path::new(&root))?;
    println!("{} rows in {} files", manifest.tally.rows, manifest.files.len());
    Ok(())
}
