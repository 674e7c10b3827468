//! `reference-cli.md`: what `--help` says of every command.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;

use applet_tests::applet;
use applet_tests::host::repository;

use super::super::chapter::read;

const BEGINNING: &str = "# Commands\n\nWhat `applet help COMMAND` says, for every command. Made by `make regen`.\n\n\
    Every command takes `--json`, for programs, and `--config FILE`. Exit codes: 0 it is done, 1 it was refused or \
    failed, 2 the call has to be changed first. Errors have [codes](reference-errors.md).\n";

/// The options that say where a host keeps its things: those of `applet config` and of most other commands.
const PLACE: [&str; 6] = [
    "--data-dir",
    "--database-url",
    "--audit-strict",
    "--redis-url",
    "--redis-root-cert",
    "--insecure-transport",
];
/// What the program wraps its help at.
const WIDTH: usize = 100;
/// Those that every command has.
const EVERYWHERE: [&str; 3] = ["--json", "--config", "--help"];

/// What the program says of a command; nothing of this machine's environment is in it.
fn help(command: &str) -> String {
    let mut program = Command::new(applet());
    program.args(command.split_whitespace()).arg("--help").env_clear();
    let output = program.output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that a help names.
fn commands(help: &str) -> Vec<String> {
    let list =
        help.split("\nCommands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    let entries = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = entries.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every command, by its words behind `applet`, with its help.
pub(crate) fn all() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let top = help("");
    for command in commands(&top) {
        let text = help(&command);
        for inner in commands(&text) {
            let name = format!("{command} {inner}");
            all.insert(name.clone(), help(&name));
        }
        all.insert(command, text);
    }
    let own = ["--json", "--config", "--help", "--version"].map(|option| (option.to_owned(), top.clone()));
    all.extend(own);
    all.insert("help".to_owned(), top);
    all
}

/// A help in its parts: sections begin at the margin, with a colon.
struct Parts {
    about: String,
    usage: String,
    sections: Vec<(String, Vec<String>)>,
    end: String,
}

impl Parts {
    fn of(help: &str) -> Self {
        let (about, rest) = help.split_once("\nUsage: ").unwrap();
        let (usage, rest) = rest.split_once("\n\n").unwrap_or((rest, ""));
        let (mut sections, mut end): (Vec<(String, Vec<String>)>, String) = (Vec::new(), String::new());
        for line in rest.lines() {
            let title = line.strip_suffix(':').filter(|title| ["Arguments", "Options"].contains(title));
            let is_over = !line.is_empty() && !line.starts_with(' ') && title.is_none();
            if !end.is_empty() || is_over {
                end.push_str(line);
                end.push('\n');
            } else if let Some(title) = title {
                sections.push((title.to_owned(), Vec::new()));
            } else if let Some((_, entries)) = sections.last_mut() {
                let begins = line.starts_with("  ")
                    && line.trim_start().starts_with(['-', '<', '['])
                    && line.len() - line.trim_start().len() <= 6;
                match entries.last_mut() {
                    Some(entry) if !begins => {
                        entry.push('\n');
                        entry.push_str(line);
                    }
                    _ if begins => entries.push(line.to_owned()),
                    _ => {}
                }
            }
        }
        let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { about, usage: usage.to_owned(), sections, end: end.trim_end().to_owned() }
    }

    fn options(&self) -> impl Iterator<Item = &String> {
        self.sections.iter().filter(|(title, _)| title == "Options").flat_map(|(_, entries)| entries)
    }
}

/// Name and meaning of an entry; the meaning on one line, or as a list where it has values.
fn entry(text: &str) -> (String, String) {
    let trimmed = text.trim();
    // Two blanks, or a line's end, stand between the two.
    let end = trimmed.find("  ").into_iter().chain(trimmed.find('\n')).min().unwrap_or(trimmed.len());
    let (name, meaning) = trimmed.split_at(end);
    let meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
    // Variables are shown with their value, and here there is none.
    (name.to_owned(), meaning.replace("=]", "]").replace(" Possible values: - ", ": "))
}

fn is_one_of(option: &str, names: &[&str]) -> bool {
    let (name, _) = entry(option);
    names.iter().any(|known| name.split([' ', ',', '[', '=']).any(|word| word == *known))
}

fn list(text: &mut String, entries: &[&String]) {
    for option in entries {
        let (name, meaning) = entry(option);
        writeln!(text, "- `{name}`: {meaning}").unwrap();
    }
}

fn command(text: &mut String, name: &str, help: &str) {
    let parts = Parts::of(help);
    let level = if name.contains(' ') { "###" } else { "##" };
    write!(text, "\n{level} applet {name}\n\n{}.\n\n", parts.about.trim_end_matches('.')).unwrap();
    writeln!(text, "`{}`\n", parts.usage).unwrap();
    let arguments = parts.sections.iter().filter(|(title, _)| title == "Arguments");
    let mut own: Vec<&String> = arguments.flat_map(|(_, entries)| entries).collect();
    let has_place = PLACE.iter().all(|place| parts.options().any(|option| is_one_of(option, &[place])));
    let common = |option: &&String| is_one_of(option, &EVERYWHERE) || has_place && is_one_of(option, &PLACE);
    own.extend(parts.options().filter(|option| !common(option)));
    list(text, &own);
    if has_place {
        writeln!(text, "- the [options of a place](#the-options-of-a-place)").unwrap();
    }
    if !parts.end.is_empty() {
        write!(text, "\n```help\n{}\n```\n", parts.end).unwrap();
    }
}

/// Spec: F13
#[test]
fn every_command_is_in_the_reference() {
    let mut text = BEGINNING.to_owned();
    let place = Parts::of(&help("config"));
    text.push_str("\n## The options of a place\n\nWhere a host keeps its things, for every command that works on one:\n\n");
    list(&mut text, &place.options().filter(|option| is_one_of(option, &PLACE)).collect::<Vec<_>>());
    for name in commands(&help("")) {
        let said = help(&name);
        command(&mut text, &name, &said);
        for inner in commands(&said) {
            let inner = format!("{name} {inner}");
            command(&mut text, &inner, &help(&inner));
        }
    }
    super::chapter("reference-cli.md", &text);
}

/// What stands behind the options is laid out by hand: a line that is too wide would be broken in its middle.
#[test]
fn examples_fit_into_the_width_that_help_is_wrapped_at() {
    for entry in std::fs::read_dir(repository().join("host/src/cli")).unwrap() {
        let path = entry.unwrap().path();
        let mut is_shown = false;
        for line in read(&path).lines() {
            let shown = line.replace("\\\"", "\"").replace("\\\\", "\\");
            let is_over = line.ends_with("\")]") || line.ends_with("\";");
            let columns = shown.trim_end_matches(['"', ')', ']', ';']).chars().count();
            assert!(!is_shown || columns <= WIDTH, "{}: {columns} columns: {line}", path.display());
            is_shown = (is_shown && !is_over) || line.ends_with("= \"\\");
        }
    }
}
