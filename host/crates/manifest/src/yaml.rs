//! YAML text to a tree of nodes with line numbers, within fixed bounds.
//!
//! *Invariant:* hostile text costs no more than its own length. Bytes are checked before anything is
//! parsed; nodes and depth are counted event by event, so nothing large is built before it is refused.
//! Anchors, aliases and tags are refused where the parser reports them: an `&` or `*` inside a string or a
//! block scalar is no such event, so nothing has to be guessed from the text, and without aliases the tree
//! cannot be larger than the text.

use std::collections::BTreeMap;

use applet_types::ManifestLimits;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::path::Path;
use crate::violation::{Violation, ViolationCode, Violations, quoted};

/// A node of the document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The line it starts on, from 1.
    pub(crate) line: usize,
    pub(crate) content: Content,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<(String, usize, Node)>),
}

/// A scalar as written; what it means depends on where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, so that `true`, `12` and `null` are more than text.
    pub(crate) plain: bool,
}

impl Scalar {
    /// Whether it is YAML's null.
    pub(crate) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Its boolean value, by the core schema of YAML 1.2.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" | "True" | "TRUE" if self.plain => Some(true),
            "false" | "False" | "FALSE" if self.plain => Some(false),
            _ => None,
        }
    }

    /// Whether other readers of YAML take it for something that is written differently: `True` is `true` to
    /// them, `0x1F` is 31 and `1e3` is 1000. Where text is expected, an admin who looks at the manifest with
    /// another tool would not see what is installed.
    pub(crate) fn reads_differently(&self) -> bool {
        if !self.plain {
            return false;
        }
        if self.boolean().is_some() {
            return !matches!(self.text.as_str(), "true" | "false");
        }
        let unsigned = self.text.strip_prefix(['+', '-']).unwrap_or(&self.text);
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| unsigned.starts_with(prefix));
        let number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        let digits = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
        begins(&["0x", "0o", "0b"])
            // Some readers refuse what fits no machine's integer.
            || (digits && self.text.parse::<i64>().is_err() && unsigned.parse::<u64>().is_err())
            || matches!(unsigned.to_ascii_lowercase().as_str(), ".inf" | ".nan")
            || (number && unsigned.contains(['e', 'E']) && unsigned.parse::<f64>().is_ok())
    }
}

impl Node {
    /// How people call this kind of node.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar(scalar) if scalar.is_null() => "nothing",
            Content::Scalar(scalar) if scalar.boolean().is_some() => "true or false",
            Content::Scalar(_) => "text",
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
        }
    }
}

/// Parses one document. Duplicate keys do not end the parse: they are returned beside the tree, which
/// keeps the first of each.
///
/// # Errors
///
/// What made the text unreadable; just that, because nothing after it can be trusted.
pub(crate) fn parse(bytes: &[u8], limits: &ManifestLimits) -> Result<(Node, Vec<Violation>), Violations> {
    let text = text(bytes, limits).map_err(Violations::one)?;
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        limits,
        nodes: 0,
        path: Path::root(),
        duplicates: Vec::new(),
    };
    let root = builder.document().map_err(|violation| Violations::one(*violation))?;
    Ok((root, builder.duplicates))
}

fn text<'a>(bytes: &'a [u8], limits: &ManifestLimits) -> Result<&'a str, Violation> {
    if bytes.len() > limits.bytes {
        let message = format!("{} bytes are more than the {} allowed", bytes.len(), limits.bytes);
        return Err(Violation::new(ViolationCode::TooLarge, "", message));
    }
    let text = str::from_utf8(bytes)
        .map_err(|_| Violation::new(ViolationCode::InvalidText, "", "the manifest is not UTF-8 text"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A NUL ends the text for some readers and not for others; no control character has a use here. What
    // ends a line for YAML 1.1 and not for 1.2 could hide a key in a comment, and a second byte order mark
    // in a name.
    let control = |c: &char| {
        c.is_control() && !matches!(c, '\n' | '\r' | '\t')
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    let mut lines = text.lines().enumerate();
    match lines.find_map(|(line, text)| text.chars().find(control).map(|c| (line + 1, c))) {
        Some((line, c)) => {
            let message = format!("control character {} in the manifest", quoted(&c.to_string()));
            Err(Violation::new(ViolationCode::InvalidText, "", message).line(line))
        }
        None => Ok(text),
    }
}

/// Violations are boxed on the way up the recursion, to keep its frames small.
type Step<T> = Result<T, Box<Violation>>;

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    limits: &'a ManifestLimits,
    nodes: usize,
    path: Path,
    duplicates: Vec<Violation>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Step<Node> {
        self.next()?;
        let (start, span) = self.next()?;
        if start == Event::StreamEnd {
            return self.refuse(ViolationCode::YamlSyntax, "the manifest is empty", span);
        }
        let (event, span) = self.next()?;
        let root = self.node(event, span, 1)?;
        self.next()?;
        match self.next()? {
            (Event::StreamEnd, _) => Ok(root),
            (_, span) => {
                self.refuse(ViolationCode::MultipleDocuments, "a manifest is one YAML document", span)
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Step<Node> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let message = format!("more than {} nodes", self.limits.nodes);
            return self.refuse(ViolationCode::TooManyNodes, message, span);
        }
        if depth > self.limits.depth {
            let message = format!("nested more than {} deep", self.limits.depth);
            return self.refuse(ViolationCode::TooDeep, message, span);
        }
        let (Event::Scalar(_, _, anchor, ref tag)
        | Event::SequenceStart(anchor, ref tag)
        | Event::MappingStart(anchor, ref tag)) = event
        else {
            return match event {
                Event::Alias(_) => self.refuse_alias(span),
                _ => self.refuse(ViolationCode::YamlSyntax, "a value is expected here", span),
            };
        };
        if anchor != 0 {
            return self.refuse_alias(span);
        }
        if tag.is_some() {
            return self.refuse(ViolationCode::TagNotAllowed, "YAML tags are not allowed", span);
        }
        let content = match event {
            Event::Scalar(text, style, ..) => {
                Content::Scalar(Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain })
            }
            Event::SequenceStart(..) => self.sequence(depth)?,
            _ => self.mapping(depth)?,
        };
        Ok(Node { line: span.start.line(), content })
    }

    fn sequence(&mut self, depth: usize) -> Step<Content> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Content::Sequence(items));
            }
            let here = self.path.clone();
            self.path = here.index(items.len());
            items.push(self.node(event, span, depth + 1)?);
            self.path = here;
        }
    }

    fn mapping(&mut self, depth: usize) -> Step<Content> {
        let mut entries = Vec::new();
        let mut seen = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Content::Mapping(entries));
            }
            let key = self.node(event, span, depth + 1)?;
            let Content::Scalar(Scalar { text: key, .. }) = key.content else {
                return self.refuse(ViolationCode::YamlSyntax, "a key has to be text", span);
            };
            let here = self.path.clone();
            self.path = here.key(&key);
            let line = span.start.line();
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if let Some(first) = seen.get(&key) {
                let message = format!("{} stands here already, on line {first}", quoted(&key));
                let violation = Violation::new(ViolationCode::DuplicateKey, &self.path, message);
                self.duplicates.push(violation.line(line));
            } else {
                seen.insert(key.clone(), line);
                entries.push((key, line, value));
            }
            self.path = here;
        }
    }

    fn next(&mut self) -> Step<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let violation = Violation::new(ViolationCode::YamlSyntax, &self.path, error.info());
                Err(Box::new(violation.line(error.marker().line())))
            }
            None => Err(Box::new(Violation::new(
                ViolationCode::YamlSyntax,
                &self.path,
                "the text ends too early",
            ))),
        }
    }

    fn refuse_alias<T>(&self, span: Span) -> Step<T> {
        let message = "anchors and aliases are not allowed: write the value out";
        self.refuse(ViolationCode::AliasNotAllowed, message, span)
    }

    fn refuse<T>(&self, code: ViolationCode, message: impl Into<String>, span: Span) -> Step<T> {
        Err(Box::new(Violation::new(code, &self.path, message).line(span.start.line())))
    }
}
