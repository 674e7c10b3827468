//! What each kind of block has to be.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use applet_tests::applet;
use applet_tests::host::{ALDER, repository};

use super::chapter::{Block, read};
use super::reference::help;
use super::walk::Walk;

/// A line that stands for lines which are left out, whatever begins a comment.
const OMISSION: &str = "…";
/// The widest that a picture may be, so that it fits the page.
const PICTURE: usize = 105;

/// Checks a block that is neither commands nor what they print.
pub(crate) fn check(walk: &mut Walk, block: &Block) -> Result<(), String> {
    match block.kind.as_str() {
        "json" => serde_json::from_str::<serde_json::Value>(&block.text)
            .map(drop)
            .map_err(|error| error.to_string()),
        "yaml" => yaml(walk, &block.text),
        "sql" => sql(walk, block),
        "python" => python(&block.text),
        "wit" => stands_in_a_source(&block.text, "wit"),
        "rust" => stands_in_a_source(&block.text, "rs"),
        "ts" | "go" | "c" | "toml" => stands_in_a_source(&block.text, &block.kind),
        "help" => said_by_help(&block.text),
        "picture" if block.text.lines().all(|line| line.chars().count() <= PICTURE) => Ok(()),
        "picture" => Err(format!("a picture has at most {PICTURE} columns")),
        "" => Err("a block without a kind: write what it is behind the fence".to_owned()),
        kind => Err(format!("`{kind}` has no check")),
    }
}

/// What is written behind the fence, the reader has to be told as well.
pub(crate) fn is_named(block: &Block, file: &str) -> Result<(), String> {
    let told = block.before.contains(&format!("`{file}`"));
    told.then_some(()).ok_or_else(|| format!("the paragraph before does not name `{file}`"))
}

/// The parts of a text between lines that say that something is left out.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for line in text.lines() {
        let words = line.trim().trim_start_matches(['/', '#', '-', ' ']);
        match pieces.last_mut() {
            Some(piece) if words != OMISSION => {
                piece.push_str(line);
                piece.push('\n');
            }
            _ => pieces.push(String::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// A manifest, a part of one, or a configuration, told by its keys.
fn yaml(walk: &Walk, text: &str) -> Result<(), String> {
    let value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let keys: Vec<&str> =
        value.as_mapping().into_iter().flatten().filter_map(|(key, _)| key.as_str()).collect();
    let sections = ["place", "serve", "security", "audit", "packages"];
    if sections.iter().any(|section| keys.contains(section)) || is_host_limits(&value) {
        return configuration(walk, text);
    }
    let mut manifest = String::new();
    if !keys.contains(&"manifestVersion") {
        manifest.push_str("manifestVersion: \"1.0\"\nid: example\nversion: 1.0.0\nname: Example\n");
        if keys.contains(&"tables") && !keys.contains(&"permissions") {
            manifest.push_str("permissions: { database: { createTables: true } }\n");
        }
    }
    manifest.push_str(text);
    let file = walk.scratch().join("manifest-of-a-block.yaml");
    std::fs::write(&file, &manifest).unwrap();
    succeeded(Command::new(applet()).arg("check").arg(&file).output().unwrap())
}

/// Both manifests and configurations have `limits`; those of a host have sections.
fn is_host_limits(value: &serde_yaml::Value) -> bool {
    let limits = value.get("limits").and_then(serde_yaml::Value::as_mapping);
    limits.is_some_and(|limits| limits.iter().any(|(_, limit)| limit.is_mapping()))
}

fn configuration(walk: &Walk, text: &str) -> Result<(), String> {
    let file = walk.scratch().join("configuration-of-a-block.yaml");
    std::fs::write(&file, text).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, private).unwrap();
    let mut command = Command::new(applet());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("APPLET_") {
            command.env_remove(name);
        }
    }
    succeeded(command.arg("config").arg("--config").arg(&file).output().unwrap())
}

/// A statement of the sample applet, which the chapter has installed: what the gate says of it.
fn sql(walk: &mut Walk, block: &Block) -> Result<(), String> {
    let explain = format!(
        "applet --json explain --applet ai-chat --workspace {} \"$(cat <<'<end>'\n{}<end>\n)\"",
        ALDER.workspace, block.text
    );
    let Some(code) = block.attribute("refused") else { return walk.run(&explain).map(drop) };
    let refused = walk.run(&format!("if {explain}; then exit 1; fi\n"))?;
    let told = refused.contains(&format!("\"code\":\"{code}\""));
    told.then_some(()).ok_or_else(|| format!("not refused as `{code}` but\n{refused}"))
}

fn python(text: &str) -> Result<(), String> {
    let read = "import ast, sys; ast.parse(sys.argv[1])";
    succeeded(Command::new("python3").args(["-c", read, text]).output().unwrap())
}

/// A part of a source of this repository, which is compiled with it, however far it is indented there.
fn stands_in_a_source(text: &str, extension: &str) -> Result<(), String> {
    let plain = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let pieces: Vec<String> = pieces(text).iter().map(|piece| plain(piece)).collect();
    let mut folders: Vec<PathBuf> =
        ["host", "sample-applets", "sdk", "tests/guests", "wit"].map(|name| repository().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_made = path.file_name().is_some_and(|name| name == "target" || name == "node_modules");
            if path.is_dir() && !is_made {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let source = plain(&read(&path));
                let mut at = 0;
                let mut follows = |piece: &String| {
                    let found = source.get(at..).and_then(|rest| rest.find(piece.as_str()));
                    found.is_some_and(|found| {
                        at += found + piece.len();
                        true
                    })
                };
                if pieces.iter().all(&mut follows) {
                    return Ok(());
                }
            }
        }
    }
    let how = "say which file it makes (file=…) or is a part of (part=…)";
    Err(format!("no `.{extension}` of this repository has it: {how}"))
}

fn succeeded(output: Output) -> Result<(), String> {
    let printed = [output.stdout, output.stderr].concat();
    let told = || String::from_utf8_lossy(&printed).into_owned();
    output.status.success().then_some(()).ok_or_else(told)
}

fn said_by_help(text: &str) -> Result<(), String> {
    let is_known = commands().values().any(|help| help.contains(text.trim_end()));
    is_known.then_some(()).ok_or_else(|| "no `--help` says this".to_owned())
}

fn commands() -> &'static BTreeMap<String, String> {
    static COMMANDS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    COMMANDS.get_or_init(help::all)
}

/// Whether the program has every command, and every option, of lines that begin with its name.
pub(crate) fn commands_exist(text: &str) -> Result<(), String> {
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        let line = line.split(" #").next().unwrap_or_default();
        for call in line.split(['|', ';', '&', '(']) {
            let Some(call) = call.trim().strip_prefix("applet ") else { continue };
            is_call(commands(), call)?;
        }
    }
    Ok(())
}

fn is_call(commands: &BTreeMap<String, String>, call: &str) -> Result<(), String> {
    let words: Vec<&str> = call.split_whitespace().collect();
    let plain: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let two = plain.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    let one = plain.first().copied().unwrap_or("help");
    let (name, help) = [two.as_str(), one]
        .into_iter()
        .find_map(|name| Some((name, commands.get(name)?)))
        .ok_or_else(|| format!("there is no command `applet {one}`"))?;
    // A statement in quotes may have anything in it.
    let options = words.iter().take_while(|word| !word.starts_with(['\'', '"']));
    for option in options.filter(|word| word.starts_with("--")) {
        let option = option.split(['=', ')', '"']).next().unwrap_or_default();
        if !help.contains(option) {
            return Err(format!("`applet {name}` has no `{option}`"));
        }
    }
    Ok(())
}

#[test]
fn commands_that_do_not_exist_are_found() {
    assert_eq!(commands_exist("applet plan ai-chat --workspace W\nls --all | wc\n"), Ok(()));
    assert_eq!(commands_exist("T=$(applet token --tenant T --role admin)"), Ok(()));
    assert_eq!(commands_exist("applet --json audit list --denied"), Ok(()));
    assert_eq!(commands_exist("applet --version"), Ok(()));
    assert!(commands_exist("applet plna ai-chat").is_err());
    assert!(commands_exist("true && applet plan ai-chat --wrkspace W").is_err());
}

#[test]
fn parts_may_leave_lines_out() {
    assert_eq!(pieces("a\n  // …\nb\nc\n"), ["a\n", "b\nc\n"]);
    assert_eq!(pieces("…\na\n# …\n"), ["a\n"]);
}
