//! A shell that a reader would have open: what is typed into it, and what it has printed.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::chapter::found;

/// How long a step may take: a language's first build fetches and compiles all that it needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(540);

/// A bash with the options `-eu`, which ends at the first command that fails.
pub(crate) struct Terminal {
    bash: Child,
    typed: ChildStdin,
    ended: Receiver<()>,
    folder: PathBuf,
    name: String,
    steps: usize,
    seen: usize,
}

impl Terminal {
    /// A shell in `place`, which keeps what it prints in `folder`.
    pub(crate) fn open(mut bash: Command, folder: &Path, name: &str, place: &Path) -> Self {
        let mut bash = bash
            .arg("--noprofile")
            .arg("--norc")
            .current_dir(place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut typed = bash.stdin.take().unwrap();
        let lines = BufReader::new(bash.stdout.take().unwrap()).lines();
        let (sender, ended) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|_| sender.send(())));
        writeln!(typed, "set -eu -o pipefail").unwrap();
        let terminal =
            Self { bash, typed, ended, folder: folder.to_owned(), name: name.to_owned(), steps: 0, seen: 0 };
        OpenOptions::new().create(true).append(true).open(terminal.log()).unwrap();
        terminal
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// All that was printed so far.
    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log()).unwrap()).into_owned()
    }

    /// Types commands, and does not wait for their end.
    pub(crate) fn begin(&mut self, commands: &str) {
        self.steps += 1;
        let step = self.folder.join(format!("{}-{}.sh", self.name, self.steps));
        std::fs::write(&step, commands).unwrap();
        let (step, log) = (step.display(), self.log());
        // A bash that has ended is told of by whoever waits for it.
        let _ended = writeln!(self.typed, ". '{step}' </dev/null >>'{}' 2>&1; echo", log.display());
    }

    /// Types commands; gives what they printed, or that as an error when one failed or none came to an end.
    pub(crate) fn run(&mut self, commands: &str) -> Result<String, String> {
        let before = self.printed().len();
        self.seen = before;
        self.begin(commands);
        let outcome = self.ended.recv_timeout(PATIENCE);
        let printed = self.printed().get(before..).unwrap_or_default().to_owned();
        match outcome {
            Ok(()) => Ok(printed),
            Err(RecvTimeoutError::Disconnected) => Err(format!("a command failed:\n{printed}")),
            Err(RecvTimeoutError::Timeout) => Err(format!("it does not end:\n{printed}")),
        }
    }

    /// Waits until these lines were printed, in this order, after those that were waited for before.
    pub(crate) fn wait_for(&mut self, shown: &str, patience: Duration) -> Result<(), String> {
        let patience = Instant::now() + patience;
        loop {
            let printed = self.printed();
            let new = printed.get(self.seen..).unwrap_or_default();
            let missing = match found(new, shown) {
                Ok(end) => {
                    self.seen += end;
                    return Ok(());
                }
                Err(missing) => missing,
            };
            let is_over = self.bash.try_wait().unwrap().is_some();
            if is_over || Instant::now() > patience {
                return Err(format!("not printed (in this order): {missing}\n\nbut\n{new}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ctrl-C, for everything that runs in it.
    pub(crate) fn interrupt(&self) {
        self.signal(rustix::process::Signal::INT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let group = rustix::process::Pid::from_child(&self.bash);
        // It may be over already.
        let _gone = rustix::process::kill_process_group(group, signal);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Hosts stop their PostgreSQL when they are told to end; whoever does not listen is killed.
        self.signal(rustix::process::Signal::TERM);
        let patience = Instant::now() + Duration::from_secs(20);
        let group = rustix::process::Pid::from_child(&self.bash);
        let _reaped = self.bash.wait();
        while rustix::process::test_kill_process_group(group).is_ok() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.signal(rustix::process::Signal::KILL);
    }
}
