//! A chapter as its blocks of code, in order.

use std::fmt;
use std::path::Path;

/// What begins a paragraph that says why the block after it is not run here. The reader sees it.
const NOT_RUN: &str = "*Not run here:";

/// A fenced block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    /// The first word behind the fence.
    pub(crate) kind: String,
    attributes: Vec<(String, String)>,
    /// Its lines, each with its end.
    pub(crate) text: String,
    /// The paragraph before it.
    pub(crate) before: String,
}

impl Block {
    /// `value` of `name=value` behind the fence.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Which attributes stand behind the fence.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|(name, _)| name.as_str())
    }

    /// Why it is not run here, if the reader is told that it is not.
    pub(crate) fn not_run(&self) -> Option<&str> {
        let reason = self.before.strip_prefix(NOT_RUN)?;
        Some(reason.trim().trim_end_matches('*').trim_end_matches('.'))
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} ({})\n{}", self.line, self.kind, self.text)
    }
}

/// The blocks of a chapter.
pub(crate) fn blocks(markdown: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    let mut is_open = true;
    let mut lines = markdown.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(fence) = Fence::of(line) else {
            if line.trim().is_empty() {
                is_open = false;
            } else {
                if !is_open {
                    paragraph.clear();
                }
                is_open = true;
                paragraph.push_str(line.trim());
                paragraph.push(' ');
            }
            continue;
        };
        let mut text = String::new();
        loop {
            let (_, line) =
                lines.next().ok_or_else(|| format!("line {}: a block without an end", number + 1))?;
            if line.trim() == fence.marks {
                break;
            }
            text.push_str(line.strip_prefix(fence.indent).unwrap_or(line.trim_start()));
            text.push('\n');
        }
        let mut words = fence.words.split_whitespace();
        blocks.push(Block {
            line: number + 1,
            kind: words.next().unwrap_or_default().to_owned(),
            attributes: words
                .map(|word| word.split_once('=').unwrap_or((word, "")))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            text,
            before: paragraph.trim().to_owned(),
        });
        paragraph.clear();
        is_open = false;
    }
    Ok(blocks)
}

struct Fence<'a> {
    indent: &'a str,
    marks: &'a str,
    words: &'a str,
}

impl<'a> Fence<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let inner = line.trim_start();
        let words = inner.trim_start_matches(['`', '~']);
        let marks = inner.strip_suffix(words)?;
        let is_fence = marks.len() >= 3 && (marks.starts_with("```") || marks.starts_with("~~~"));
        is_fence.then(|| Self { indent: line.strip_suffix(inner).unwrap_or_default(), marks, words })
    }
}

/// A file of the repository.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a line is as it is shown, where `…` stands for anything.
pub(crate) fn is_as_shown(line: &str, shown: &str) -> bool {
    let mut rest = line.trim_end();
    let mut parts = shown.trim_end().split('…').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        if last && !first {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        if (first && at != 0) || (last && at + part.len() != rest.len()) {
            return false;
        }
        rest = rest.get(at + part.len()..).unwrap_or_default();
        first = false;
    }
    true
}

/// The bytes of `printed` up to the end of the last line that is shown, or the first shown line that is missing.
pub(crate) fn found(printed: &str, shown: &str) -> Result<usize, String> {
    let mut end = 0;
    for wanted in shown.lines().filter(|line| !line.trim().is_empty()) {
        let mut rest = printed.get(end..).unwrap_or_default().split_inclusive('\n');
        loop {
            let line = rest.next().ok_or_else(|| wanted.to_owned())?;
            end += line.len();
            if is_as_shown(line.trim_end_matches('\n'), wanted) {
                break;
            }
        }
    }
    Ok(end)
}

#[test]
fn shown_lines_match_as_they_read() {
    assert!(is_as_shown("digest 12ab", "digest …") && is_as_shown("a, b, c", "a,…, c"));
    assert!(is_as_shown("same", "same") && !is_as_shown("same thing", "same"));
    assert!(!is_as_shown("the digest 12ab", "digest …") && !is_as_shown("a b", "…a"));
    assert!(is_as_shown("a b a", "…a") && !is_as_shown("same", "s"));
    assert_eq!(found("a\nb\nc\n", "a\nc\n"), Ok(6));
    assert_eq!(found("a\nb\n", "b\na\n"), Err("a".to_owned()), "the order counts");
}

#[test]
fn blocks_are_found_with_what_stands_before_them() {
    let text = "# A\n\n*Not run here: no network.*\n\n```sh\nls\n```\n\n- In `a.rs`:\n  ````rust file=a.rs\n  ```\n  ````\n";
    let found = blocks(text).unwrap();
    let [first, second] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((first.line, first.kind.as_str(), first.text.as_str()), (5, "sh", "ls\n"));
    assert_eq!(first.not_run(), Some("no network"));
    assert_eq!((second.attribute("file"), second.text.as_str()), (Some("a.rs"), "```\n"));
    assert_eq!((second.not_run(), second.before.as_str()), (None, "- In `a.rs`:"));
    assert!(blocks("```sh\nls\n").is_err());
}
