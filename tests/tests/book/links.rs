//! The table of contents, and every link.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use applet_tests::host::repository;

use super::chapter::read;

/// Where the chapters are.
pub(crate) const BOOK: &str = "host/docs";

/// `a/b/../c` as `a/c`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => plain.push(part),
        }
    }
    plain
}

/// The places that a text leads to, with the text of each link. Code is no link.
fn links(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_code = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            continue;
        }
        if is_code {
            continue;
        }
        let words: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let targets = words.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        found.extend(targets.map(str::to_owned));
    }
    found
}

/// How a heading is called in a link, in mdBook as on the forges.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut found = BTreeSet::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let title = line.trim_start_matches('#');
        if is_code || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let letters = title.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        found.insert(letters.collect::<String>().to_lowercase().replace(' ', "-"));
    }
    found
}

/// Chapters of the table of contents, as paths in the repository, in its order.
pub(crate) fn contents() -> Vec<String> {
    let summary = read(&repository().join(BOOK).join("SUMMARY.md"));
    let path = |link: &String| plain(&Path::new(BOOK).join(link)).to_string_lossy().into_owned();
    links(&summary).iter().map(path).collect()
}

#[test]
fn the_table_of_contents_has_every_chapter_once() {
    let listed = contents();
    let once: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a chapter is listed twice");
    for chapter in &listed {
        let there = repository().join(chapter).is_file();
        assert!(there, "{chapter} is listed and not there");
    }
    for entry in std::fs::read_dir(repository().join(BOOK)).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") && name != "SUMMARY.md" {
            let chapter = format!("{BOOK}/{name}");
            assert!(listed.contains(&chapter), "{chapter} is not in SUMMARY.md");
        }
    }
}

#[test]
fn no_link_is_broken() {
    let listed = contents();
    let mut broken = Vec::new();
    for chapter in listed.iter().filter(|chapter| repository().join(chapter).is_file()) {
        let text = read(&repository().join(chapter));
        for link in links(&text) {
            if let Some(why) = wrong(chapter, &text, &link, &listed) {
                broken.push(format!("{chapter}: {link}: {why}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Why a link of a chapter leads nowhere.
fn wrong(chapter: &str, text: &str, link: &str, listed: &[String]) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let folder = Path::new(chapter).parent()?;
    let target = if path.is_empty() { PathBuf::from(chapter) } else { plain(&folder.join(path)) };
    let name = target.to_string_lossy().into_owned();
    if !path.is_empty() && !repository().join(&target).is_file() {
        return Some("there is no such file".to_owned());
    }
    // Files that are no chapters are taken along by `make book`.
    if name.ends_with(".md") && !listed.contains(&name) {
        return Some("it is not in the book".to_owned());
    }
    let anchor = anchor?;
    let there = if path.is_empty() { text.to_owned() } else { read(&repository().join(&target)) };
    (!anchors(&there).contains(anchor)).then(|| "there is no such heading".to_owned())
}

#[test]
fn broken_links_are_found() {
    let listed = ["host/docs/a.md".to_owned(), "README.md".to_owned()];
    let text = "# One heading: `here`\n";
    let wrong = |link: &str| wrong("host/docs/a.md", text, link, &listed);
    assert_eq!(wrong("#one-heading-here"), None);
    assert_eq!(wrong("../../README.md"), None);
    assert!(wrong("#another").is_some() && wrong("nowhere.md").is_some());
    assert_eq!(wrong("../../Makefile"), None);
    assert!(wrong("../../sdk/rust").is_some(), "a folder is no page");
    assert!(
        wrong("../../tests/conformance/README.md").is_some(),
        "what is not in the book cannot be read in it"
    );
    assert_eq!(links("[a](b.md) `[c](d.md)` [e](f.md#g)\n```\n[h](i)\n```\n"), ["b.md", "f.md#g"]);
}

/// The security model says which test proves what. Spec: F2
#[test]
fn every_test_that_the_book_names_is_there() {
    let text = read(&repository().join(BOOK).join("security.md"));
    let mut named = 0;
    // `name` (`path`)
    for piece in text.split("` (`").collect::<Vec<_>>().windows(2) {
        let [before, after] = piece else { continue };
        let name = before.rsplit('`').next().unwrap();
        let path = after.split('`').next().unwrap();
        let source = read(&repository().join(path));
        assert!(source.contains(&format!("fn {name}(")), "{path} has no test `{name}`");
        named += 1;
    }
    assert!(named >= 12, "{named}");
}
