//! A disk that gets full while a process writes to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::child::Child;
use super::run::Run;

/// A folder with little room. Root gets a file system of its own (tmpfs); for anybody else, or where mounting is not allowed,
/// the file sizes of the processes are limited instead, so that their writes fail too, if with another word.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    bytes: u64,
    mounted: bool,
}

impl SmallDisk {
    /// Makes the folder with room for so many bytes.
    pub fn at(folder: impl Into<PathBuf>, bytes: u64) -> Self {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).expect("the test's folder can be written");
        let options = format!("size={bytes},mode=0777");
        let mounted = quietly(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder));
        Self { folder, bytes, mounted }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Whether it is a file system of its own.
    pub fn is_mounted(&self) -> bool {
        self.mounted
    }

    /// Starts a process that has no more room than this.
    pub fn start(&self, run: &Run) -> Child {
        if self.mounted {
            return run.start();
        }
        // In blocks of 512 bytes. Without the trap a write that does not fit kills the process.
        Child::start(&mut run.command_after(&format!("trap '' XFSZ; ulimit -S -f {}", self.bytes / 512)))
    }

    /// Makes room, also for a process that runs.
    pub fn grow(&mut self, child: Option<&Child>) {
        if self.mounted {
            let grown = Command::new("mount").args(["-o", "remount,size=1g"]).arg(&self.folder).status();
            assert!(grown.is_ok_and(|status| status.success()), "{} cannot grow", self.folder.display());
        } else if let Some(child) = child {
            let pid = child.pid().to_string();
            let freed = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
            assert!(freed.expect("prlimit (util-linux) is installed").success());
        }
        // Later processes have room too.
        self.bytes = 1 << 40;
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a process that has failed a test may still hold a file there.
            quietly(Command::new("umount").arg("-l").arg(&self.folder));
        }
    }
}

fn quietly(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_gets_full_and_grows() {
        let scratch = tempfile::TempDir::new().unwrap();
        let mut disk = SmallDisk::at(scratch.path().join("small"), 64 << 10);
        let file = disk.path().join("file");
        let fill = Run::of("sh", ["-c", "head -c 200000 /dev/zero > \"$1\"", "sh"]).arg(&file);
        let write = |disk: &SmallDisk| disk.start(&fill).wait(Duration::from_secs(10)).code;
        assert_ne!(write(&disk), Some(0), "it is full");
        assert!(std::fs::metadata(&file).unwrap().len() <= 64 << 10);
        disk.grow(None);
        assert_eq!(write(&disk), Some(0));
        assert_eq!(std::fs::metadata(&file).unwrap().len(), 200_000);
    }
}
