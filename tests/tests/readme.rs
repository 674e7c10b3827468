//! The README's tutorial, run word for word: whoever follows it must arrive.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use applet_tests::applet;
use applet_tests::host::repository;

/// The section that is run.
const TUTORIAL: &str = "## Five minutes";
/// The port that the tutorial listens on; here, another program may have it.
const PORT: &str = "8080";

/// A block of commands, and the lines that the README shows of what they print.
#[derive(Debug)]
struct Step {
    commands: String,
    shown: Vec<String>,
}

fn steps(readme: &str) -> Vec<Step> {
    let section = readme.split(TUTORIAL).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut blocks = section.split("\n```");
    blocks.next();
    while let Some(block) = blocks.next() {
        let (kind, text) = block.split_once('\n').unwrap();
        match kind {
            "sh" => steps.push(Step { commands: text.to_owned(), shown: Vec::new() }),
            "text" => steps.last_mut().unwrap().shown.extend(text.lines().map(str::to_owned)),
            other => panic!("a block of kind `{other}`"),
        }
        // What follows a block's end is prose.
        blocks.next();
    }
    steps
}

/// Whether a line is as it is shown, where `…` stands for anything.
fn is_as_shown(line: &str, shown: &str) -> bool {
    let mut rest = line;
    let mut parts = shown.split('…').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let Some(at) = rest.find(part) else { return false };
        let last = parts.peek().is_none();
        if (first && at != 0) || (last && !part.is_empty() && !rest.ends_with(part)) {
            return false;
        }
        rest = rest.get(at + part.len()..).unwrap();
        first = false;
    }
    true
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs the steps in one shell, as a reader would, and gives what each of them printed.
fn run(steps: &[Step]) -> Vec<String> {
    // The repository as the reader has it after `make demo`, but for files that the tutorial makes.
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("target/debug")).unwrap();
    symlink(applet(), folder.path().join("target/debug/applet")).unwrap();
    symlink(repository().join("sample-applets"), folder.path().join("sample-applets")).unwrap();

    let mut script = String::from(
        "set -eu -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf \"$APPLET_DATA\"' EXIT\n",
    );
    for step in steps {
        script.push_str(&step.commands);
        script.push_str("\nprintf '\\n<end of step>\\n'\n");
    }
    script.push_str("wait\n");
    let script = script.replace(PORT, &free_port().to_string());
    let output = folder.path().join("output");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(folder.path()).stdin(Stdio::null());
    for variable in ["DATABASE_URL", "APPLET_TOKEN", "APPLET_CONFIG", "APPLET_ALLOW_UNPATCHED"] {
        command.env_remove(variable);
    }
    let file = File::create(&output).unwrap();
    let mut shell = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(240);
    let status = loop {
        if let Some(status) = shell.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > patience {
            // Gently, so that its trap stops the host.
            let ended = Command::new("kill").arg(shell.id().to_string()).status();
            panic!("the tutorial does not end ({ended:?}):\n{}", std::fs::read_to_string(&output).unwrap());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let printed = std::fs::read_to_string(&output).unwrap();
    assert!(status.success(), "{status}:\n{printed}");
    printed.split("<end of step>\n").map(str::to_owned).collect()
}

/// Spec: S4x.8
#[test]
fn s4x_8_the_tutorial_of_the_readme_works_word_for_word() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let steps = steps(&readme);
    assert!(steps.len() >= 6, "{steps:?}");
    let printed = run(&steps);
    // The host stops after the last step's end.
    let last = printed.len() - 1;
    for (number, step) in steps.iter().enumerate() {
        let printed =
            if number + 2 > last { printed.get(number..).unwrap().concat() } else { printed[number].clone() };
        let mut lines = printed.lines();
        for shown in &step.shown {
            assert!(
                lines.any(|line| is_as_shown(line, shown)),
                "not printed (in this order):\n{shown}\n\nby\n{}\n\nwhich printed\n{printed}",
                step.commands
            );
        }
    }
    assert!(steps.iter().filter(|step| !step.shown.is_empty()).count() >= 4);
}

#[test]
fn s4x_8_shown_lines_match_as_they_read() {
    assert!(is_as_shown("digest 12ab", "digest …") && is_as_shown("a, b, c", "a,…, c"));
    assert!(is_as_shown("same", "same") && !is_as_shown("same thing", "same"));
    assert!(!is_as_shown("the digest 12ab", "digest …") && !is_as_shown("a b", "…a"));
}
