//! Disks are full.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::play;
use crate::trial::{Setting, Who};

/// The packer's disk takes no file, for a while: its folder is a file of somebody else.
#[test]
fn a_packer_cannot_write_its_shards() {
    let setting = Setting { latency_ms: 200, ..Setting::USUAL };
    play("17 shards cannot be written for a while", &setting, |trial| {
        trial.kill(Who::Packer);
        let folder = trial.fleet.shards.join(trial.run.as_str());
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&trial.fleet.shards).expect("the test's folder can be written");
        std::fs::write(&folder, "in the way").expect("the test's folder can be written");
        trial.launch(Who::Packer);
        trial.until_share(0.6);
        std::thread::sleep(Duration::from_secs(1));
        std::fs::remove_file(&folder).expect("the file is ours");
        trial.over();
    });
}

/// No file may grow beyond a few kilobytes: what a full disk says to a packer, which a supervisor then starts anew.
#[test]
fn a_packer_has_a_full_disk() {
    let setting = Setting { latency_ms: 200, ..Setting::USUAL };
    play("18 packer on a full disk, then on another", &setting, |trial| {
        trial.kill(Who::Packer);
        let script = trial.fleet.shards.with_file_name("packer.sh");
        let text = format!("#!/bin/sh\nulimit -f 8\nexec {} \"$@\"\n", crate::LONGHAND);
        std::fs::write(&script, text).expect("the test's folder can be written");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("the script is ours");
        let mut cramped = trial.fleet.clone();
        cramped.binary = script;
        let command = cramped.serve("shard-packer", None);
        trial.launch_as(Who::Packer, command);
        trial.until_share(0.7);
        let published = trial.count("select count(*) from shard where state = 'published'");
        assert_eq!(published, 0, "a shard fits a full disk");
        trial.stop_whatever_it_is(Who::Packer);
        trial.launch(Who::Packer);
        trial.over();
    });
}
