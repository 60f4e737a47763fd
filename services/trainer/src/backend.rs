//! The backend as a child process in a group of its own: started, listened to, stopped, killed, found again.
//!
//! Its standard input stays open while this process lives; that it ends tells a backend that watches it that the trainer is
//! gone. One that does not watch is found by the note of its process id and ended before another is started.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::TrainError;
use crate::files::replace;
use crate::lines::lines_of;
use crate::protocol::{Done, Event, Line, read_line};

/// The file that names the backend at work.
const PID_FILE: &str = "backend.pid";
/// Once its process has ended, how long lines are still read that others of its group may hold back.
const LAST_LINES: Duration = Duration::from_secs(1);
/// How often a process that is to end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a backend is run.
#[derive(Debug, Clone)]
pub struct BackendSettings {
    /// Its command line. `{command}` stands for `run` or `plan`, `{recipe}` for the recipe's path; without either they are
    /// appended as `run --recipe PATH`.
    pub command: Vec<String>,
    /// Silence on both of its outputs after which it counts as hung.
    pub silence: Duration,
    /// How long it may take to write its last checkpoint when it is stopped.
    pub stop_grace: Duration,
    /// Restarts without a new checkpoint after which the job fails.
    pub restarts: u32,
    /// Pause before the second restart in a row, doubled with each further one.
    pub restart_pause: Duration,
    /// Variables of this process that it must not have.
    pub hidden: Vec<String>,
}

impl BackendSettings {
    fn arguments(&self, command: &str, recipe: &Path) -> Vec<String> {
        let recipe = recipe.display().to_string();
        let is_form = self.command.iter().any(|word| word.contains("{command}") || word.contains("{recipe}"));
        let mut words: Vec<String> =
            self.command.iter().map(|word| word.replace("{command}", command).replace("{recipe}", &recipe)).collect();
        if !is_form {
            words.extend([command.to_owned(), "--recipe".to_owned(), recipe]);
        }
        words
    }
}

/// What comes from a backend.
pub(crate) enum Heard {
    /// An event.
    Event(Box<Event>, String),
    /// A line of standard output that is none.
    Other(String),
    /// A line of standard error.
    Stderr(String),
}

/// How a backend ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// Its round is done.
    Done(Box<Done>),
    /// It was stopped.
    Stopped,
    /// It says why it cannot go on.
    Error {
        /// Its code.
        code: String,
        /// Its message.
        message: String,
    },
    /// It ended without a word; how.
    Crashed(String),
}

/// When to end it.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    /// With a checkpoint.
    pub stop: CancellationToken,
    /// At once.
    pub abort: CancellationToken,
}

/// A backend at work. Its pipes are read, and its end is waited for, on threads of their own, which end with it.
pub(crate) struct Backend<'a> {
    settings: &'a BackendSettings,
    group: Group,
    /// Open while this process lives.
    _stdin: ChildStdin,
    out: mpsc::Receiver<String>,
    err: mpsc::Receiver<String>,
    ended: oneshot::Receiver<std::io::Result<ExitStatus>>,
    note: Option<PathBuf>,
}

impl<'a> Backend<'a> {
    /// Starts it. `out` is the job's folder, where its process id is noted; none for a dry run.
    pub fn start(
        settings: &'a BackendSettings,
        command: &str,
        recipe: &Path,
        out: Option<&Path>,
    ) -> Result<Self, TrainError> {
        let words = settings.arguments(command, recipe);
        let (program, arguments) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let failed = |source| TrainError::BackendStart { command: program.to_owned(), source };
        let mut process = Command::new(program);
        process.args(arguments).env("LONGHAND_WATCH_STDIN", "1").process_group(0);
        for name in &settings.hidden {
            process.env_remove(name);
        }
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().map_err(failed)?;
        // From here on it is killed should anything fail.
        let (id, group) = (child.id(), Group::of(child.id()));
        let broken = || failed(std::io::ErrorKind::BrokenPipe.into());
        let stdin = child.stdin.take().ok_or_else(broken)?;
        let stdout = lines_of(child.stdout.take().ok_or_else(broken)?).map_err(failed)?;
        let stderr = lines_of(child.stderr.take().ok_or_else(broken)?).map_err(failed)?;
        let (sender, ended) = oneshot::channel();
        let reap = move || {
            let _ = sender.send(child.wait());
        };
        std::thread::Builder::new().name("backend-end".to_owned()).spawn(reap).map_err(failed)?;
        let note = out.map(|out| out.join(PID_FILE));
        if let Some(note) = &note {
            Noted::of(id).write(note)?;
        }
        Ok(Self { settings, group, _stdin: stdin, out: stdout, err: stderr, ended, note })
    }

    /// Listens until it has ended. `hears` is called for every line; an error of it kills the backend.
    pub async fn attend(
        mut self,
        ends: &Ends,
        mut hears: impl AsyncFnMut(Heard) -> Result<(), TrainError>,
    ) -> Result<Ended, TrainError> {
        let mut verdict = None;
        let mut stopping: Option<Instant> = None;
        let mut heard_at = Instant::now();
        let (mut out_open, mut err_open) = (true, true);
        let mut status = None;
        let mut read_until: Option<Instant> = None;
        while out_open || err_open || status.is_none() {
            let quiet_at = match (read_until, stopping) {
                (Some(until), _) => until,
                (None, Some(since)) => since + self.settings.stop_grace,
                (None, None) => heard_at + self.settings.silence,
            };
            tokio::select! {
                biased;
                () = ends.abort.cancelled() => {
                    self.kill(status.is_some()).await;
                    return Ok(verdict.unwrap_or(Ended::Stopped));
                }
                () = ends.stop.cancelled(), if stopping.is_none() && status.is_none() => {
                    stopping = Some(Instant::now());
                    self.group.signal(Signal::TERM);
                }
                line = self.out.recv(), if out_open => {
                    heard_at = Instant::now();
                    match line.as_deref().map(read_line) {
                        None => out_open = false,
                        Some(Line::OtherVersion(version)) => return Err(TrainError::BackendVersion(version)),
                        Some(Line::Event(event)) => {
                            if let Some(end) = end_of(&event) {
                                verdict = Some(end);
                            }
                            hears(Heard::Event(Box::new(event), line.unwrap_or_default())).await?;
                        }
                        Some(Line::Unknown | Line::Text) => hears(Heard::Other(line.unwrap_or_default())).await?,
                    }
                }
                line = self.err.recv(), if err_open => {
                    heard_at = Instant::now();
                    match line {
                        None => err_open = false,
                        Some(line) => hears(Heard::Stderr(line)).await?,
                    }
                }
                ended = &mut self.ended, if status.is_none() => {
                    status = Some(ended);
                    read_until = Some(Instant::now() + LAST_LINES);
                }
                () = tokio::time::sleep_until(quiet_at) => {
                    if read_until.is_some() {
                        // Some other process of its group holds the pipes.
                        break;
                    }
                    self.kill(false).await;
                    return Ok(verdict.unwrap_or_else(|| Ended::Crashed(match stopping {
                        Some(_) => format!("it wrote no checkpoint within {} s", self.settings.stop_grace.as_secs_f64()),
                        None => format!("it said nothing for {} s", self.settings.silence.as_secs_f64()),
                    })));
                }
            }
        }
        self.kill(true).await;
        Ok(verdict.unwrap_or_else(|| {
            Ended::Crashed(match status {
                Some(Ok(Ok(status))) => format!("it ended with {status} and no last event"),
                Some(Ok(Err(error))) => error.to_string(),
                Some(Err(_)) | None => "it ended".to_owned(),
            })
        }))
    }

    /// Kills what is left of its group; when this returns, the process itself is gone.
    async fn kill(&mut self, ended: bool) {
        self.group.kill();
        if !ended {
            let _ = (&mut self.ended).await;
        }
        self.forget();
    }

    /// Nothing of it is left.
    fn forget(&mut self) {
        self.group.gone = true;
        if let Some(note) = self.note.take() {
            let _ = fs::remove_file(note);
        }
    }
}

fn end_of(event: &Event) -> Option<Ended> {
    match event {
        Event::Done(done) => Some(Ended::Done(done.clone())),
        Event::Stopped { .. } => Some(Ended::Stopped),
        Event::Error { code, message } => Some(Ended::Error { code: code.clone(), message: message.clone() }),
        _ => None,
    }
}

/// A process group. Killed when dropped, unless it is known to be gone.
struct Group {
    id: Option<Pid>,
    gone: bool,
}

impl Group {
    fn of(id: u32) -> Self {
        Self { id: i32::try_from(id).ok().and_then(Pid::from_raw), gone: false }
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id.filter(|_| !self.gone) {
            // It may have ended a moment ago.
            let _ = kill_process_group(id, signal);
        }
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn lives(&self) -> bool {
        self.id.is_some_and(|id| test_kill_process_group(id).is_ok())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The note of a backend at work. A process id comes again, its start does not.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    id: u32,
    /// Its start, in ticks since the machine's; empty where the system does not say.
    started: String,
    /// The machine's start.
    boot: String,
}

impl Noted {
    fn of(id: u32) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        Self { id, started: started(id).unwrap_or_default(), boot }
    }

    fn write(&self, path: &Path) -> Result<(), TrainError> {
        replace(path, &serde_json::to_vec(self).expect("plain values"))
    }
}

/// Field 22 of `/proc/PID/stat`; the name in field 2 may hold spaces. None for one that is dead and not yet reaped.
fn started(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(fields.first(), Some(&("Z" | "X"))) {
        return None;
    }
    fields.get(19).map(|started| (*started).to_owned())
}

/// Ends the backend of an earlier trainer, if it is still there: it is asked, and killed after `grace`. Whether there was one.
pub(crate) async fn end_earlier(out: &Path, grace: Duration) -> Result<bool, TrainError> {
    let path = out.join(PID_FILE);
    let Ok(noted) = fs::read(&path) else { return Ok(false) };
    let there = |noted: &Noted| !noted.started.is_empty() && *noted == Noted::of(noted.id);
    let noted = serde_json::from_slice::<Noted>(&noted).ok().filter(|noted| there(noted));
    if let Some(noted) = &noted {
        let mut group = Group::of(noted.id);
        group.signal(Signal::TERM);
        let asked = Instant::now();
        while group.lives() && there(noted) && asked.elapsed() < grace {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        group.kill();
        while there(noted) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        group.gone = true;
    }
    let _ = fs::remove_file(&path);
    Ok(noted.is_some())
}

/// What a backend would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Its versions by name.
    pub versions: BTreeMap<String, String>,
    /// The plan.
    pub plan: crate::protocol::Plan,
    /// What it warns of.
    pub warnings: Vec<String>,
}

/// Asks a backend for its plan.
pub(crate) async fn plan(
    settings: &BackendSettings,
    recipe: &Path,
    ends: &CancellationToken,
) -> Result<Planned, TrainError> {
    let backend = Backend::start(settings, "plan", recipe, None)?;
    let (mut versions, mut planned, mut warnings) = (BTreeMap::new(), None, Vec::new());
    let mut last = Vec::new();
    let ends = Ends { stop: ends.clone(), abort: ends.clone() };
    let ended = backend
        .attend(&ends, async |heard| {
            match heard {
                Heard::Event(event, _) => match *event {
                    Event::Hello(hello) => {
                        versions = hello.packages;
                        versions.insert(hello.backend, hello.version);
                    }
                    Event::Plan(plan) => planned = Some(*plan),
                    Event::Warning { message } => warnings.push(message),
                    _ => {}
                },
                Heard::Other(_) => {}
                Heard::Stderr(line) => last.push(line),
            }
            Ok(())
        })
        .await?;
    if let Ended::Error { code, message } = ended {
        return Err(TrainError::Backend { code, message });
    }
    let why = || {
        let said = last.iter().rev().find(|line| !line.trim().is_empty()).cloned();
        let message = said.unwrap_or_else(|| "it ended without a plan".to_owned());
        TrainError::Backend { code: "backend_crashes".to_owned(), message }
    };
    planned.map(|plan| Planned { versions, plan, warnings }).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(command: &[&str]) -> BackendSettings {
        BackendSettings {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            silence: Duration::from_secs(20),
            stop_grace: Duration::from_secs(20),
            restarts: 0,
            restart_pause: Duration::ZERO,
            hidden: vec!["PATH_OF_A_SECRET".to_owned()],
        }
    }

    #[test]
    fn the_command_line_takes_the_recipe_by_form_or_at_its_end() {
        let recipe = Path::new("/r.json");
        let words = |command: &[&str]| settings(command).arguments("run", recipe).join(" ");
        assert_eq!(words(&["python3", "-m", "longhand_trainer"]), "python3 -m longhand_trainer run --recipe /r.json");
        assert_eq!(words(&["axo.sh", "{command}", "--file={recipe}"]), "axo.sh run --file=/r.json");
    }

    async fn ended(script: &str, change: impl FnOnce(&mut BackendSettings)) -> (Ended, Vec<String>, Duration) {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&["sh", "-c", script]);
        change(&mut settings);
        let mut lines = Vec::new();
        let token = CancellationToken::new();
        let ends = Ends { stop: token.clone(), abort: CancellationToken::new() };
        let started = Instant::now();
        let backend = Backend::start(&settings, "run", Path::new("r"), Some(folder.path())).unwrap();
        assert!(folder.path().join(PID_FILE).exists());
        let ended = backend
            .attend(&ends, async |heard| {
                match heard {
                    Heard::Event(event, _) if *event == Event::Warning { message: "stop me".to_owned() } => {
                        token.cancel();
                    }
                    Heard::Event(_, line) | Heard::Other(line) | Heard::Stderr(line) => lines.push(line),
                }
                Ok(())
            })
            .await
            .unwrap();
        assert!(!folder.path().join(PID_FILE).exists());
        (ended, lines, started.elapsed())
    }

    #[tokio::test]
    async fn a_crash_an_error_and_a_stop_are_told_apart() {
        let (end, lines, _) = ended("echo garbage; echo trouble >&2; exit 3", |_| {}).await;
        assert!(matches!(&end, Ended::Crashed(how) if how.contains('3')), "{end:?}");
        assert_eq!(lines.len(), 2, "{lines:?}");
        let error =
            r#"echo '{"schema":1,"event":"error","code":"nan","message":"step 7","last_checkpoint":null}'; exit 1"#;
        let (end, ..) = ended(error, |_| {}).await;
        assert!(matches!(&end, Ended::Error { code, .. } if code == "nan"), "{end:?}");
        let stop = r#"trap 'echo "{\"schema\":1,\"event\":\"stopped\",\"step\":1,\"checkpoint\":null}"; exit 143' TERM
            echo '{"schema":1,"event":"warning","message":"stop me"}'; while :; do sleep 0.05; done"#;
        let (end, ..) = ended(stop, |_| {}).await;
        assert!(matches!(end, Ended::Stopped), "{end:?}");
    }

    #[tokio::test]
    async fn one_that_is_silent_or_will_not_stop_is_killed_with_its_group() {
        let hung = "sh -c 'sleep 600' & trap '' TERM; while :; do sleep 600; done";
        let (end, _, took) = ended(hung, |settings| settings.silence = Duration::from_millis(300)).await;
        assert!(matches!(&end, Ended::Crashed(how) if how.contains("said nothing")), "{end:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        let stubborn = format!("echo '{{\"schema\":1,\"event\":\"warning\",\"message\":\"stop me\"}}'; {hung}");
        let (end, ..) = ended(&stubborn, |settings| settings.stop_grace = Duration::from_millis(300)).await;
        assert!(matches!(&end, Ended::Crashed(how) if how.contains("no checkpoint")), "{end:?}");
    }

    /// The service is gone, its backend is not: the next one finds it by its note and ends it.
    #[tokio::test]
    async fn the_backend_of_an_earlier_trainer_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!end_earlier(folder.path(), Duration::ZERO).await.unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; while :; do sleep 600; done"]);
        let mut child = command.process_group(0).spawn().unwrap();
        let id = child.id();
        Noted::of(id).write(&folder.path().join(PID_FILE)).unwrap();
        // Reaped meanwhile, as the system does with what has lost its parent.
        let reaper = std::thread::spawn(move || child.wait());
        assert!(end_earlier(folder.path(), Duration::from_millis(100)).await.unwrap());
        assert!(reaper.join().unwrap().is_ok());
        // A process that happens to have the id now is somebody else's.
        let other = Noted { started: "1".to_owned(), ..Noted::of(std::process::id()) };
        other.write(&folder.path().join(PID_FILE)).unwrap();
        assert!(!end_earlier(folder.path(), Duration::ZERO).await.unwrap());
    }
}
