//! Where exported rows go: one file, or a folder of files. A file appears whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use dataset::{EncodeError, Row, encode_jsonl, encode_parquet};

use super::{Exported, markdown};
use crate::cli::ExportFormat;
use crate::fault::{Exit, Fault, chain_of};

/// Rows in a file of a folder.
const ROWS_PER_FILE: usize = 256;

/// Takes rows in input order.
pub(super) enum Sink {
    /// Lines as they come.
    Lines(Draft),
    /// One Parquet file, which is made when all rows are there.
    Table { draft: Draft, rows: Vec<Row> },
    /// `part-00000.jsonl` and so on.
    Parts { folder: Target, format: ExportFormat, rows: Vec<Row>, files: u64 },
    /// One Markdown file a sample.
    Pages { folder: Target, files: u64 },
}

impl Sink {
    /// Opens `to`. A path that ends like a file of the format is a file, any other a folder.
    pub(super) fn open(format: ExportFormat, to: &Path, overwrite: bool) -> Result<Self, Fault> {
        let extension = to.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let one_file = match (format, extension) {
            (ExportFormat::Jsonl, "jsonl") | (ExportFormat::Parquet, "parquet") => true,
            (_, "jsonl" | "parquet") => {
                return Err(Fault::usage("format", format!("{} is not what --format says", to.display()))
                    .help(format!("--format {extension}, or another name after --to")));
            }
            _ => false,
        };
        let target = Target { path: to.to_owned(), overwrite };
        if one_file {
            target.check_file(to)?;
            let draft = Draft::start(to)?;
            return Ok(match format {
                ExportFormat::Parquet => Self::Table { draft, rows: Vec::new() },
                _ => Self::Lines(draft),
            });
        }
        target.check_folder()?;
        Ok(match format {
            ExportFormat::Markdown => Self::Pages { folder: target, files: 0 },
            _ => Self::Parts { folder: target, format, rows: Vec::new(), files: 0 },
        })
    }

    /// Takes a row.
    pub(super) fn add(&mut self, exported: Exported) -> Result<(), Fault> {
        match self {
            Self::Lines(draft) => draft.write(&encoded(encode_jsonl(&[exported.row]))?),
            Self::Table { rows, .. } => {
                rows.push(exported.row);
                Ok(())
            }
            Self::Parts { folder, format, rows, files } => {
                rows.push(exported.row);
                if rows.len() == ROWS_PER_FILE { write_part(folder, *format, rows, files) } else { Ok(()) }
            }
            Self::Pages { folder, files } => {
                *files += 1;
                folder.write(&markdown::file_name(&exported), markdown::render(&exported).as_bytes())
            }
        }
    }

    /// Everything is there. Returns the number of files.
    pub(super) fn finish(self) -> Result<u64, Fault> {
        match self {
            Self::Lines(draft) => draft.finish().map(|()| 1),
            Self::Table { mut draft, rows } => {
                draft.write(&encoded(encode_parquet(&rows))?)?;
                draft.finish().map(|()| 1)
            }
            Self::Parts { folder, format, mut rows, mut files } => {
                if !rows.is_empty() {
                    write_part(&folder, format, &mut rows, &mut files)?;
                }
                Ok(files)
            }
            Self::Pages { files, .. } => Ok(files),
        }
    }
}

fn encoded(bytes: Result<Vec<u8>, EncodeError>) -> Result<Vec<u8>, Fault> {
    bytes
        .map_err(|error| Fault::new("internal", Exit::Unreachable, "a row cannot be encoded").because(chain_of(&error)))
}

fn write_part(folder: &Target, format: ExportFormat, rows: &mut Vec<Row>, files: &mut u64) -> Result<(), Fault> {
    let (bytes, extension) = match format {
        ExportFormat::Parquet => (encode_parquet(rows), "parquet"),
        _ => (encode_jsonl(rows), "jsonl"),
    };
    folder.write(&format!("part-{files:05}.{extension}"), &encoded(bytes)?)?;
    rows.clear();
    *files += 1;
    Ok(())
}

/// Where files go, and whether they may replace others.
pub(super) struct Target {
    path: PathBuf,
    overwrite: bool,
}

impl Target {
    fn check_file(&self, file: &Path) -> Result<(), Fault> {
        if file.is_dir() {
            return Err(taken(file, "it is a folder"));
        }
        if file.exists() && !self.overwrite {
            return Err(taken(file, "it is there already"));
        }
        Ok(())
    }

    fn check_folder(&self) -> Result<(), Fault> {
        fs::create_dir_all(&self.path).map_err(|error| unwritable(&self.path, &error))?;
        let mut entries = fs::read_dir(&self.path).map_err(|error| unwritable(&self.path, &error))?;
        if entries.next().is_some() && !self.overwrite {
            return Err(taken(&self.path, "it is not empty"));
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let mut draft = Draft::start(&self.path.join(name))?;
        draft.write(bytes)?;
        draft.finish()
    }
}

/// A file under another name until it is whole; removed if it never gets so far.
pub(super) struct Draft {
    file: Option<BufWriter<File>>,
    /// Where it is until then.
    under: PathBuf,
    target: PathBuf,
}

impl Draft {
    fn start(target: &Path) -> Result<Self, Fault> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let under = target.with_file_name(name);
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|error| unwritable(parent, &error))?;
        }
        let file = File::create(&under).map_err(|error| unwritable(&under, &error))?;
        Ok(Self { file: Some(BufWriter::new(file)), under, target: target.to_owned() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let file = self.file.as_mut().expect("a draft is open until it is finished");
        file.write_all(bytes).map_err(|error| unwritable(&self.under, &error))
    }

    fn finish(mut self) -> Result<(), Fault> {
        let file = self.file.take().expect("a draft is finished once");
        let done = file.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        done.and_then(|()| fs::rename(&self.under, &self.target)).map_err(|error| {
            let _ = fs::remove_file(&self.under);
            unwritable(&self.target, &error)
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = fs::remove_file(&self.under);
        }
    }
}

fn taken(path: &Path, why: &str) -> Fault {
    Fault::new("exists", Exit::Conflict, format!("{} is not overwritten", path.display()))
        .because(why)
        .help("give another --to, or add --overwrite")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new("storage", Exit::Unreachable, format!("{} cannot be written", path.display())).because(error)
}
