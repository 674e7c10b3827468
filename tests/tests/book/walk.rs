//! Does what a chapter says, word for word, in a folder of its own.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use applet_tests::applet;
use applet_tests::host::repository;
use tempfile::TempDir;

use super::chapter::{Block, blocks, found, read};
use super::checks;
use super::terminal::{PATIENCE, Terminal};

/// The port that the book listens on; here, another program may have it.
const PORT: &str = "8080";
/// How long what runs in the background may take to say something after the prompt is back.
const MOMENT: Duration = Duration::from_secs(60);
/// What the program, and npm, say when a language's tools cannot be had on this machine.
const NO_TOOLS: [&str; 2] = ["toolchain-missing", "npm error network"];
/// What a reader types to end a program in a terminal.
const INTERRUPT: &str = "^C";
/// What may stand behind a fence, beside the kind.
const ATTRIBUTES: [&str; 4] = ["file", "part", "terminal", "refused"];

/// A chapter, and what doing it has left so far.
pub(crate) struct Walk {
    terminals: BTreeMap<String, Terminal>,
    folder: TempDir,
    port: String,
    has_program: bool,
    environment: Vec<(&'static str, String)>,
    /// What the last block of commands printed; nothing when it is not run here.
    printed: Option<Option<String>>,
    /// Lines of the blocks that are not run, and why.
    left_out: Vec<String>,
}

/// Why a chapter was not gone through to its end, though nothing in it is wrong.
pub(crate) struct Skipped(pub(crate) String);

/// Goes through a chapter of the repository.
pub(crate) fn walk(chapter: &str, environment: Vec<(&'static str, String)>) -> Result<(), Skipped> {
    let path = repository().join(chapter);
    let text = read(&path);
    let blocks = blocks(&text).unwrap_or_else(|wrong| panic!("{chapter}: {wrong}"));
    let mut walk = Walk::new(&text, environment);
    for block in &blocks {
        let Err(wrong) = walk.perform(block) else { continue };
        if let Some(reason) = wrong.lines().find(|line| NO_TOOLS.iter().any(|told| line.contains(told))) {
            return Err(Skipped(reason.trim().to_owned()));
        }
        panic!("{chapter}, {block}\n{wrong}");
    }
    for left_out in &walk.left_out {
        println!("{chapter}:{left_out}");
    }
    println!("{chapter}: {} of {} blocks checked", blocks.len() - walk.left_out.len(), blocks.len());
    Ok(())
}

impl Walk {
    fn new(text: &str, environment: Vec<(&'static str, String)>) -> Self {
        let folder = tempfile::Builder::new().prefix("applet-book-").tempdir().unwrap();
        // As root, the private PostgreSQL runs as another user, who has to get through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let clone = folder.path().join("applet-host");
        std::fs::create_dir_all(clone.join("target/debug")).unwrap();
        symlink(applet(), clone.join("target/debug/applet")).unwrap();
        for made in ["bin", "tmp"] {
            std::fs::create_dir(folder.path().join(made)).unwrap();
        }
        symlink(applet(), folder.path().join("bin/applet")).unwrap();
        for entry in std::fs::read_dir(repository()).unwrap() {
            let name = entry.unwrap().file_name();
            if name != "target" && name != ".git" {
                symlink(repository().join(&name), clone.join(&name)).unwrap();
            }
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        Self {
            terminals: BTreeMap::new(),
            folder,
            port,
            // A chapter that says how to get the program on the path does not find it there.
            has_program: !text.contains("export PATH=\"$PWD/target/debug:$PATH\""),
            environment,
            printed: None,
            left_out: Vec::new(),
        }
    }

    fn clone_folder(&self) -> PathBuf {
        self.folder.path().join("applet-host")
    }

    fn bash(&self) -> Command {
        let mut bash = Command::new("bash");
        let mut path = std::env::var("PATH").unwrap();
        if self.has_program {
            path = format!("{}:{path}", self.folder.path().join("bin").display());
        }
        if let Some(go) = go() {
            path = format!("{path}:{}", go.display());
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("APPLET_") && name != "APPLET_PG_BIN" {
                bash.env_remove(name);
            }
        }
        bash.env("PATH", path)
            .env("APPLET_DATA", self.folder.path().join("host"))
            .env("TMPDIR", self.folder.path().join("tmp"))
            // What was compiled for one project serves the next one.
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("projects"))
            .env_remove("DATABASE_URL")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        bash
    }

    /// The terminal of this number; a new one opens where the first one is.
    fn terminal(&mut self, number: &str) -> Result<&mut Terminal, String> {
        if !self.terminals.contains_key(number) {
            let place = match self.terminals.get_mut("1") {
                Some(first) => PathBuf::from(first.run("pwd")?.trim_end()),
                None => self.clone_folder(),
            };
            let terminal = Terminal::open(self.bash(), self.folder.path(), number, &place);
            self.terminals.insert(number.to_owned(), terminal);
        }
        self.terminals.get_mut(number).ok_or_else(String::new)
    }

    /// Types commands into the first terminal.
    pub(crate) fn run(&mut self, commands: &str) -> Result<String, String> {
        self.terminal("1")?.run(commands)
    }

    /// A folder for files of checks.
    pub(crate) fn scratch(&self) -> &Path {
        self.folder.path()
    }

    fn perform(&mut self, block: &Block) -> Result<(), String> {
        if let Some(unknown) = block.attributes().find(|name| !ATTRIBUTES.contains(name)) {
            return Err(format!("nothing is known of `{unknown}` behind a fence"));
        }
        if let Some(reason) = block.not_run() {
            return self.leave_out(block, reason);
        }
        let text = self.with_port(&block.text);
        if let Some(file) = block.attribute("file") {
            checks::is_named(block, file)?;
            return self.write(file, &text);
        }
        if let Some(file) = block.attribute("part") {
            checks::is_named(block, file)?;
            return self.is_part(file, &text);
        }
        match block.kind.as_str() {
            "sh" => self.commands(block, &text),
            "text" => self.shown(block, &text),
            "measured" => {
                self.left_out.push(format!("{}: not compared: numbers of a measurement", block.line));
                Ok(())
            }
            _ => checks::check(self, block),
        }
    }

    fn commands(&mut self, block: &Block, text: &str) -> Result<(), String> {
        checks::commands_exist(&block.text)?;
        let number = block.attribute("terminal").unwrap_or("1");
        let terminal = self.terminal(number)?;
        if text.trim() == INTERRUPT {
            terminal.interrupt();
        } else if number == "1" {
            let printed = terminal.run(text)?;
            self.printed = Some(Some(printed));
        } else {
            terminal.begin(text);
        }
        Ok(())
    }

    fn shown(&mut self, block: &Block, text: &str) -> Result<(), String> {
        match (block.attribute("terminal"), &self.printed) {
            (Some(number), _) => self.terminal(number)?.wait_for(text, PATIENCE),
            (None, None) => Err("this shows the output of nothing".to_owned()),
            (None, Some(None)) => {
                self.left_out
                    .push(format!("{}: not compared: output of commands that are not run", block.line));
                Ok(())
            }
            // A host in the background may print a moment after the prompt is back.
            (None, Some(Some(printed))) if found(printed, text).is_ok() => Ok(()),
            (None, Some(Some(_))) => self.terminal("1")?.wait_for(text, MOMENT),
        }
    }

    /// A block that the reader is told is not run. Its commands exist all the same.
    fn leave_out(&mut self, block: &Block, reason: &str) -> Result<(), String> {
        if block.kind == "sh" {
            let file = self.folder.path().join("left-out.sh");
            std::fs::write(&file, &block.text).unwrap();
            let read = Command::new("bash").arg("-n").arg(&file).output().unwrap();
            if !read.status.success() {
                return Err(String::from_utf8_lossy(&read.stderr).into_owned());
            }
            checks::commands_exist(&block.text)?;
            self.printed = Some(None);
        }
        self.left_out.push(format!("{}: not run: {reason}", block.line));
        Ok(())
    }

    fn with_port(&self, text: &str) -> String {
        let mut changed = String::new();
        for line in text.lines() {
            changed.push_str(&line.replace(PORT, &self.port));
            let listens = ["applet dev", "applet serve"].iter().any(|command| line.starts_with(command));
            if listens && !line.contains("--listen") && !line.contains("--config") {
                let (command, rest) = changed.split_at(changed.len() - line.len());
                let rest = rest.replacen("applet dev", "applet dev --listen @", 1);
                let rest = rest.replacen("applet serve", "applet serve --listen @", 1);
                changed = format!("{command}{}", rest.replace('@', &format!("127.0.0.1:{}", self.port)));
            }
            changed.push('\n');
        }
        changed
    }

    fn write(&mut self, file: &str, text: &str) -> Result<(), String> {
        let commands = format!(
            "mkdir -p \"$(dirname '{file}')\"\ncat >'{file}' <<'<end of file>'\n{text}<end of file>\n"
        );
        self.run(&commands).map(drop)
    }

    fn is_part(&mut self, file: &str, text: &str) -> Result<(), String> {
        let here = self.run("pwd")?;
        let places = [PathBuf::from(here.trim_end()).join(file), repository().join(file)];
        let path =
            places.iter().find(|path| path.is_file()).ok_or_else(|| format!("there is no `{file}`"))?;
        let whole = read(path);
        let mut rest = whole.as_str();
        for piece in checks::pieces(text) {
            let at = rest.find(piece.as_str()).ok_or_else(|| format!("not in `{file}`:\n{piece}"))?;
            rest = rest.get(at + piece.len()..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Go, if the guests of this repository were built with one of their own.
fn go() -> Option<PathBuf> {
    let tools = std::fs::read_dir(repository().join(".tools")).ok()?;
    let folders = tools.filter_map(Result::ok).map(|entry| entry.path().join("go/bin"));
    folders.into_iter().find(|folder| folder.join("go").is_file())
}
