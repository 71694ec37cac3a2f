//! Java's pattern syntax as a tree.
//!
//! The cursor moves as Java's does, so that messages name the same index.

use crate::{
    java_class::family,
    regex_class::{CharSet, Fold},
};

/// Deepest nesting of groups and character classes.
pub const MAX_DEPTH: usize = 250;
/// Longest pattern, in characters.
pub const MAX_PATTERN: usize = 65_536;

/// Why a text is not a pattern, in the words of Java's `PatternSyntaxException`:
/// `Unclosed group near index 1`, a line break, the pattern, and on a third line the place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidRegex {
    message: String,
}

impl InvalidRegex {
    /// `index` counts characters of `pattern`; negative for none.
    pub(crate) fn new(description: &str, pattern: &[char], index: isize) -> Self {
        let mut message = description.to_owned();
        if 0 <= index {
            message.push_str(&format!(" near index {index}"));
        }
        message.push('\n');
        message.extend(pattern);
        if 0 <= index && (index as usize) < pattern.len() {
            message.push('\n');
            message.extend(std::iter::repeat_n(' ', index as usize));
            message.push('^');
        }
        Self { message }
    }
}

/// One construct.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Nothing.
    Empty,
    /// One character of a set.
    Set(CharSet),
    /// One after the other.
    Concat(Vec<Node>),
    /// The first that leads to a match.
    Alternatives(Vec<Node>),
    /// Parentheses; with a number if capturing.
    Group(Option<usize>, Box<Node>),
    /// A quantifier.
    Repeat { node: Box<Node>, min: u32, max: u32, mode: Mode },
    /// Lookahead.
    Ahead { node: Box<Node>, negated: bool },
    /// Lookbehind, with the fewest and most characters it can cover.
    Behind { node: Box<Node>, negated: bool, shortest: u32, longest: u32 },
    /// `(?>…)`.
    Atomic(Box<Node>),
    /// What a group has matched.
    Back { group: usize, fold: Fold },
    /// A condition on the place.
    At(Place),
    /// `\R`.
    LineBreak,
}

/// How eager a quantifier is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    Greedy,
    Lazy,
    Possessive,
}

/// A condition on the place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// `^`, `\A`, `\G`: at the start of the text.
    Start,
    /// `\z`.
    End,
    /// `$` and `\Z` outside multi-line mode: at the end, or before a last line terminator.
    LastLine { unix: bool },
    /// `^` in multi-line mode.
    LineStart { unix: bool },
    /// `$` in multi-line mode.
    LineEnd { unix: bool },
    /// `\b`.
    WordBoundary { unicode: bool },
    /// `\B`.
    NotWordBoundary { unicode: bool },
}

/// The unbounded upper end of a quantifier.
pub(crate) const UNBOUNDED: u32 = i32::MAX as u32;

/// A parsed pattern.
pub(crate) struct Parsed {
    pub(crate) root: Node,
    /// Number of groups, the whole match included.
    pub(crate) groups: usize,
    pub(crate) names: Vec<(String, usize)>,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    case_insensitive: bool,
    unix_lines: bool,
    multiline: bool,
    dot_all: bool,
    unicode_case: bool,
    comments: bool,
    unicode_class: bool,
}

struct Parser {
    /// The pattern with `\Q…\E` written out as escapes.
    pattern: Vec<char>,
    /// The pattern as it was given, for messages.
    given: Vec<char>,
    cursor: usize,
    flags: Flags,
    groups: usize,
    names: Vec<(String, usize)>,
    depth: usize,
}

type Parse<T> = Result<T, InvalidRegex>;

/// Parses a pattern.
pub(crate) fn parse(pattern: &str) -> Parse<Parsed> {
    let pattern: Vec<char> = pattern.chars().collect();
    if MAX_PATTERN < pattern.len() {
        let message = format!("Pattern of more than {MAX_PATTERN} characters is not supported");
        return Err(InvalidRegex::new(&message, &pattern[..80], -1));
    }
    let given = pattern.clone();
    let pattern = write_out_quotes(pattern);
    let mut parser =
        Parser { given, pattern, cursor: 0, flags: Flags::default(), groups: 1, names: Vec::new(), depth: 0 };
    let root = parser.alternatives()?;
    if parser.cursor != parser.pattern.len() {
        let message = match parser.peek() {
            ')' => "Unmatched closing ')'",
            _ => "Unexpected internal error",
        };
        return Err(parser.error(message));
    }
    Ok(Parsed { root, groups: parser.groups, names: parser.names })
}

/// Replaces `\Q…\E` by single escapes. An unclosed `\Q` reaches to the end.
fn write_out_quotes(pattern: Vec<char>) -> Vec<char> {
    if !pattern.windows(2).any(|pair| pair == ['\\', 'Q']) {
        return pattern;
    }
    let mut at = 0;
    let mut out = Vec::with_capacity(pattern.len() * 2);
    let mut quoted = false;
    while at < pattern.len() {
        let pair = (pattern[at], pattern.get(at + 1).copied());
        match pair {
            ('\\', Some('E')) if quoted => {
                quoted = false;
                at += 2;
            }
            (c, _) if quoted => {
                if c.is_ascii() && !c.is_ascii_alphanumeric() {
                    out.push('\\');
                }
                out.push(c);
                at += 1;
            }
            ('\\', Some('Q')) => {
                quoted = true;
                at += 2;
            }
            ('\\', Some(next)) => {
                out.extend(['\\', next]);
                at += 2;
            }
            (c, _) => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

/// What an escape stands for.
enum Escape {
    Char(char),
    Set(CharSet),
    Node(Node),
}

impl Parser {
    /// Java's error at the character before the cursor.
    fn error(&self, message: &str) -> InvalidRegex {
        InvalidRegex::new(message, &self.given, self.cursor as isize - 1)
    }

    fn at(&self, index: usize) -> char {
        self.pattern.get(index).copied().unwrap_or('\0')
    }

    fn is_end(&self) -> bool {
        self.pattern.len() <= self.cursor
    }

    /// Skips blanks and comments in comments mode.
    fn skip_blanks(&mut self) {
        if !self.flags.comments {
            return;
        }
        loop {
            while is_blank(self.at(self.cursor)) {
                self.cursor += 1;
            }
            if self.at(self.cursor) != '#' {
                return;
            }
            while self.cursor < self.pattern.len() && !self.ends_line(self.at(self.cursor)) {
                self.cursor += 1;
            }
        }
    }

    fn ends_line(&self, c: char) -> bool {
        c == '\n' || !self.flags.unix_lines && matches!(c, '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
    }

    fn peek(&mut self) -> char {
        self.skip_blanks();
        self.at(self.cursor)
    }

    /// Takes the character under the cursor.
    fn read(&mut self) -> char {
        let c = self.peek();
        self.cursor += 1;
        c
    }

    /// Moves on by one and shows the character there.
    fn next(&mut self) -> char {
        self.cursor += 1;
        self.peek()
    }

    /// As [`Parser::next`], blanks counting as characters.
    fn next_raw(&mut self) -> char {
        self.cursor += 1;
        self.at(self.cursor)
    }

    fn read_raw(&mut self) -> char {
        self.cursor += 1;
        self.at(self.cursor - 1)
    }

    fn accept(&mut self, c: char, message: &str) -> Parse<()> {
        self.skip_blanks();
        self.cursor += 1;
        if self.at(self.cursor - 1) != c || self.pattern.len() < self.cursor {
            return Err(self.error(message));
        }
        Ok(())
    }

    fn nest(&mut self) -> Parse<()> {
        self.depth += 1;
        if MAX_DEPTH < self.depth {
            return Err(self.error(&format!("Nesting beyond {MAX_DEPTH} levels is not supported")));
        }
        Ok(())
    }

    fn alternatives(&mut self) -> Parse<Node> {
        let mut found = vec![self.sequence()?];
        while self.peek() == '|' {
            self.next();
            found.push(self.sequence()?);
        }
        Ok(if found.len() == 1 { found.remove(0) } else { Node::Alternatives(found) })
    }

    fn sequence(&mut self) -> Parse<Node> {
        let mut nodes = Vec::new();
        loop {
            let node = match self.peek() {
                '(' => match self.group()? {
                    Some(node) => node,
                    // Flags for the rest of the group: nothing to repeat.
                    None => continue,
                },
                '[' => {
                    let set = self.class(true)?;
                    self.closure(Node::Set(set))?
                }
                '\\' => {
                    let node = self.escape_node()?;
                    self.closure(node)?
                }
                '^' => {
                    self.next();
                    let unix = self.flags.unix_lines;
                    let place = if self.flags.multiline { Place::LineStart { unix } } else { Place::Start };
                    self.closure(Node::At(place))?
                }
                '$' => {
                    self.next();
                    let unix = self.flags.unix_lines;
                    let place = if self.flags.multiline { Place::LineEnd { unix } } else { Place::LastLine { unix } };
                    self.closure(Node::At(place))?
                }
                '.' => {
                    self.next();
                    let set = if self.flags.dot_all {
                        CharSet::any()
                    } else if self.flags.unix_lines {
                        CharSet::Range('\n', '\n').negate()
                    } else {
                        CharSet::line_terminators().negate()
                    };
                    self.closure(Node::Set(set))?
                }
                '|' | ')' => break,
                found @ ('?' | '*' | '+') => {
                    self.next();
                    return Err(self.error(&format!("Dangling meta character '{found}'")));
                }
                // A count with nothing before it repeats nothing.
                '{' => self.closure(Node::Empty)?,
                '\0' if self.is_end() => break,
                c => {
                    self.next();
                    let set = self.single(c);
                    self.closure(Node::Set(set))?
                }
            };
            nodes.push(node);
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::Concat(nodes),
        })
    }

    fn fold(&self) -> Fold {
        match (self.flags.case_insensitive, self.flags.unicode_case) {
            (false, _) => Fold::None,
            (true, false) => Fold::Ascii,
            (true, true) => Fold::Unicode,
        }
    }

    fn single(&self, c: char) -> CharSet {
        CharSet::range(c, c, self.fold())
    }

    /// An escape outside a character class; the cursor is on the backslash.
    fn escape_node(&mut self) -> Parse<Node> {
        let letter = self.next_raw();
        if matches!(letter, 'p' | 'P') {
            return Ok(Node::Set(self.property(letter == 'P')?));
        }
        Ok(match self.escape(false, false)? {
            Escape::Char(c) => Node::Set(self.single(c)),
            Escape::Set(set) => Node::Set(set),
            Escape::Node(node) => node,
        })
    }

    /// `\p` or `\P`; the cursor is on that letter.
    fn property(&mut self, negated: bool) -> Parse<CharSet> {
        let one_letter = self.next() != '{';
        let name: String = if one_letter {
            self.read().to_string()
        } else {
            let start = self.cursor + 1;
            let Some(len) = self.pattern.get(start..).and_then(|rest| rest.iter().position(|&c| c == '}')) else {
                self.cursor = self.pattern.len() + 1;
                return Err(self.error("Unclosed character family"));
            };
            self.cursor = start + len + 1;
            if len == 0 {
                return Err(self.error("Empty character family"));
            }
            self.pattern[start..start + len].iter().collect()
        };
        let set = family(&name, self.flags.case_insensitive, self.flags.unicode_class)
            .map_err(|message| self.error(&message))?;
        Ok(if negated { set.negate() } else { set })
    }

    /// Reads an escape; the cursor is on the character after the backslash, and after the escape at the end.
    fn escape(&mut self, in_class: bool, is_range: bool) -> Parse<Escape> {
        let c = self.read_raw();
        if self.pattern.len() < self.cursor {
            // A backslash at the very end: what surrounds it reports that it is not closed.
            return Ok(Escape::Char('\0'));
        }
        let unicode = self.flags.unicode_class;
        let place = |place| Ok(Escape::Node(Node::At(place)));
        match c {
            '0' => self.octal().map(Escape::Char),
            '1'..='9' if !in_class => Ok(Escape::Node(self.back_reference(c as usize - '0' as usize))),
            'A' | 'G' if !in_class => place(Place::Start),
            'B' if !in_class => place(Place::NotWordBoundary { unicode }),
            'b' if !in_class => {
                if self.at(self.cursor) == '{' && self.at(self.cursor + 1) == 'g' {
                    return Err(self.error("Boundaries in braces are not supported"));
                }
                place(Place::WordBoundary { unicode })
            }
            'Z' if !in_class => place(Place::LastLine { unix: self.flags.unix_lines }),
            'z' if !in_class => place(Place::End),
            'R' if !in_class => Ok(Escape::Node(Node::LineBreak)),
            'k' if !in_class => {
                if self.read() != '<' {
                    return Err(self.error("\\k is not followed by '<' for named capturing group"));
                }
                let first = self.read();
                let name = self.group_name(first)?;
                match self.names.iter().find(|(known, _)| *known == name) {
                    Some(&(_, group)) => Ok(Escape::Node(Node::Back { group, fold: self.fold() })),
                    None => Err(self.error(&format!("named capturing group <{name}> does not exist"))),
                }
            }
            'X' if !in_class => Err(self.error("Grapheme clusters (\\X) are not supported")),
            'N' => Err(self.error("Characters by name (\\N) are not supported")),
            'D' => Ok(Escape::Set(CharSet::digit(unicode).negate())),
            'd' => Ok(Escape::Set(CharSet::digit(unicode))),
            'S' => Ok(Escape::Set(CharSet::space(unicode).negate())),
            's' => Ok(Escape::Set(CharSet::space(unicode))),
            'W' => Ok(Escape::Set(CharSet::word(unicode).negate())),
            'w' => Ok(Escape::Set(CharSet::word(unicode))),
            'H' => Ok(Escape::Set(CharSet::horizontal_space().negate())),
            'h' => Ok(Escape::Set(CharSet::horizontal_space())),
            'V' => Ok(Escape::Set(CharSet::vertical_space().negate())),
            'v' if is_range => Ok(Escape::Char('\u{b}')),
            'v' => Ok(Escape::Set(CharSet::vertical_space())),
            'a' => Ok(Escape::Char('\u{7}')),
            'e' => Ok(Escape::Char('\u{1b}')),
            'f' => Ok(Escape::Char('\u{c}')),
            'n' => Ok(Escape::Char('\n')),
            'r' => Ok(Escape::Char('\r')),
            't' => Ok(Escape::Char('\t')),
            'c' => {
                if self.is_end() {
                    return Err(self.error("Illegal control escape sequence"));
                }
                let control = self.read_raw();
                match char::from_u32(control as u32 ^ 64) {
                    Some(c) => Ok(Escape::Char(c)),
                    None => Err(self.error("Illegal control escape sequence")),
                }
            }
            'u' => self.utf16().map(Escape::Char),
            'x' => self.hexadecimal().map(Escape::Char),
            c if c.is_ascii_alphabetic() || c.is_ascii_digit() => {
                Err(self.error("Illegal/unsupported escape sequence"))
            }
            c => Ok(Escape::Char(c)),
        }
    }

    /// Adds digits as long as they name a group that has begun.
    fn back_reference(&mut self, first: usize) -> Node {
        let mut group = first;
        while let Some(digit) = self.peek().to_digit(10) {
            let longer = group.saturating_mul(10).saturating_add(digit as usize);
            if self.groups - 1 < longer {
                break;
            }
            group = longer;
            self.read();
        }
        Node::Back { group, fold: self.fold() }
    }

    fn octal(&mut self) -> Parse<char> {
        let digit = |c: char| c.to_digit(8);
        let Some(first) = digit(self.read_raw()) else {
            return Err(self.error("Illegal octal escape sequence"));
        };
        let mut number = first;
        if let Some(second) = digit(self.at(self.cursor)) {
            self.cursor += 1;
            number = number * 8 + second;
            if let Some(third) = digit(self.at(self.cursor)).filter(|_| first <= 3) {
                self.cursor += 1;
                number = number * 8 + third;
            }
        }
        Ok(char::from_u32(number).expect("at most 0o377"))
    }

    fn hexadecimal(&mut self) -> Parse<char> {
        let c = self.read_raw();
        if let Some(first) = c.to_digit(16) {
            return match self.read_raw().to_digit(16) {
                Some(second) => Ok(char::from_u32(first * 16 + second).expect("at most 0xFF")),
                None => Err(self.error("Illegal hexadecimal escape sequence")),
            };
        }
        if c != '{' || self.at(self.cursor).to_digit(16).is_none() {
            return Err(self.error("Illegal hexadecimal escape sequence"));
        }
        let mut number = 0;
        while let Some(digit) = self.at(self.cursor).to_digit(16) {
            self.cursor += 1;
            number = number * 16 + digit;
            if 0x10_FFFF < number {
                return Err(self.error("Hexadecimal codepoint is too big"));
            }
        }
        if self.at(self.cursor) != '}' {
            self.cursor += 1;
            return Err(self.error("Unclosed hexadecimal escape sequence"));
        }
        self.cursor += 1;
        self.scalar(number)
    }

    fn utf16(&mut self) -> Parse<char> {
        let unit = self.utf16_unit()?;
        let high = (0xD800..0xDC00).contains(&unit);
        if high && self.at(self.cursor) == '\\' && self.at(self.cursor + 1) == 'u' {
            self.cursor += 2;
            let low = self.utf16_unit()?;
            if (0xDC00..0xE000).contains(&low) {
                return self.scalar(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
            }
        }
        self.scalar(unit)
    }

    fn utf16_unit(&mut self) -> Parse<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            match self.read_raw().to_digit(16) {
                Some(digit) => unit = unit * 16 + digit,
                None => return Err(self.error("Illegal Unicode escape sequence")),
            }
        }
        Ok(unit)
    }

    fn scalar(&self, number: u32) -> Parse<char> {
        char::from_u32(number).ok_or_else(|| self.error("Half of a surrogate pair is not supported"))
    }

    /// A character class; the cursor is on its `[`, or, without `consume`, before its first member.
    fn class(&mut self, consume: bool) -> Parse<CharSet> {
        self.nest()?;
        let mut found: Option<CharSet> = None;
        // Single characters are collected apart: they join the class before an intersection is made.
        let mut singles: Option<CharSet> = None;
        let mut negated = false;
        let mut c = self.next();
        if c == '^' && self.at(self.cursor - 1) == '[' {
            c = self.next();
            negated = true;
        }
        loop {
            match c {
                '[' => {
                    let inner = self.class(true)?;
                    found = Some(CharSet::union(found, inner));
                    c = self.peek();
                    continue;
                }
                '&' => {
                    if self.next() != '&' {
                        self.cursor -= 1;
                    } else {
                        c = self.next();
                        let mut right: Option<CharSet> = None;
                        while c != ']' && c != '&' {
                            if c != '[' {
                                self.cursor -= 1;
                            }
                            let inner = self.class(c == '[')?;
                            right = Some(CharSet::union(right, inner));
                            c = self.peek();
                        }
                        if let Some(singles) = singles.take() {
                            found = Some(CharSet::union(found, singles));
                        }
                        found = match (found, right) {
                            (None, None) => return Err(self.error("Bad class syntax")),
                            (None, Some(right)) => Some(right),
                            (Some(found), Some(right)) => Some(found.intersect(right)),
                            (Some(found), None) => Some(found),
                        };
                        continue;
                    }
                }
                '\0' if self.is_end() => return Err(self.error("Unclosed character class")),
                ']' if found.is_some() || singles.is_some() => {
                    if consume {
                        self.next();
                    }
                    let set = match (found, singles) {
                        (Some(found), Some(singles)) => CharSet::union(Some(found), singles),
                        (Some(set), None) | (None, Some(set)) => set,
                        (None, None) => return Err(self.error("Unexpected internal error")),
                    };
                    self.depth -= 1;
                    return Ok(if negated { set.negate() } else { set });
                }
                _ => {}
            }
            match self.class_member()? {
                Member::Single(set) => singles = Some(CharSet::union(singles, set)),
                Member::Set(set) => found = Some(CharSet::union(found, set)),
            }
            c = self.peek();
        }
    }

    fn class_member(&mut self) -> Parse<Member> {
        let mut c = self.peek();
        if c == '\\' {
            let letter = self.next_raw();
            if matches!(letter, 'p' | 'P') {
                return Ok(Member::Set(self.property(letter == 'P')?));
            }
            let is_range = self.at(self.cursor + 1) == '-';
            match self.escape(true, is_range)? {
                Escape::Char(escaped) => c = escaped,
                Escape::Set(set) => return Ok(Member::Set(set)),
                Escape::Node(_) => return Err(self.error("Illegal/unsupported escape sequence")),
            }
        } else {
            if self.is_end() {
                return Err(self.error("Unclosed character class"));
            }
            self.next();
        }
        if self.peek() == '-' {
            let end = self.at(self.cursor + 1);
            if end != '[' && end != ']' {
                self.next();
                let mut last = self.peek();
                if last == '\\' {
                    self.cursor += 1;
                    last = match self.escape(true, true)? {
                        Escape::Char(escaped) => escaped,
                        _ => return Err(self.error("Illegal character range")),
                    };
                } else {
                    self.next();
                }
                if last < c {
                    return Err(self.error("Illegal character range"));
                }
                return Ok(Member::Set(CharSet::range(c, last, self.fold())));
            }
        }
        let set = self.single(c);
        Ok(if (c as u32) < 256 { Member::Single(set) } else { Member::Set(set) })
    }

    /// A parenthesis; the cursor is on it. `None` for flags that apply to the rest of the group.
    fn group(&mut self) -> Parse<Option<Node>> {
        self.nest()?;
        let saved = self.flags;
        let node = if self.next() == '?' {
            self.cursor += 1;
            match self.read_raw() {
                ':' => {
                    let inner = self.alternatives()?;
                    Node::Group(None, Box::new(inner))
                }
                c @ ('=' | '!') => {
                    let node = Box::new(self.alternatives()?);
                    Node::Ahead { node, negated: c == '!' }
                }
                '>' => Node::Atomic(Box::new(self.alternatives()?)),
                '<' => {
                    let c = self.read();
                    match c {
                        '=' | '!' => self.look_behind(c == '!')?,
                        _ => self.named_group(c)?,
                    }
                }
                '$' | '@' => return Err(self.error("Unknown group type")),
                _ => {
                    self.cursor -= 1;
                    self.read_flags()?;
                    match self.read() {
                        // The flags outlive this parenthesis.
                        ')' if self.cursor <= self.pattern.len() => {
                            self.depth -= 1;
                            return Ok(None);
                        }
                        ':' => {
                            let inner = self.alternatives()?;
                            Node::Group(None, Box::new(inner))
                        }
                        _ => return Err(self.error("Unknown inline modifier")),
                    }
                }
            }
        } else {
            let number = self.groups;
            self.groups += 1;
            let inner = self.alternatives()?;
            Node::Group(Some(number), Box::new(inner))
        };
        self.accept(')', "Unclosed group")?;
        self.flags = saved;
        self.depth -= 1;
        self.closure(node).map(Some)
    }

    fn look_behind(&mut self, negated: bool) -> Parse<Node> {
        let node = self.alternatives()?;
        match node.span() {
            (shortest, Some(longest)) => Ok(Node::Behind { node: Box::new(node), negated, shortest, longest }),
            (_, None) => Err(self.error("Look-behind group does not have an obvious maximum length")),
        }
    }

    fn named_group(&mut self, first: char) -> Parse<Node> {
        let name = self.group_name(first)?;
        if self.names.iter().any(|(known, _)| *known == name) {
            return Err(self.error(&format!("Named capturing group <{name}> is already defined")));
        }
        let number = self.groups;
        self.groups += 1;
        self.names.push((name, number));
        let inner = self.alternatives()?;
        Ok(Node::Group(Some(number), Box::new(inner)))
    }

    fn group_name(&mut self, first: char) -> Parse<String> {
        if !first.is_ascii_alphabetic() {
            return Err(self.error("capturing group name does not start with a Latin letter"));
        }
        let mut name = String::from(first);
        loop {
            match self.read() {
                c if c.is_ascii_alphanumeric() => name.push(c),
                '>' => return Ok(name),
                _ => return Err(self.error("named capturing group is missing trailing '>'")),
            }
        }
    }

    fn read_flags(&mut self) -> Parse<()> {
        let mut on = true;
        loop {
            let flags = &mut self.flags;
            match self.pattern.get(self.cursor) {
                Some('i') => flags.case_insensitive = on,
                Some('m') => flags.multiline = on,
                Some('s') => flags.dot_all = on,
                Some('d') => flags.unix_lines = on,
                Some('u') => flags.unicode_case = on,
                Some('c') => return Err(self.error("Canonical equivalence is not supported")),
                Some('x') => flags.comments = on,
                Some('U') => {
                    flags.unicode_class = on;
                    flags.unicode_case = on;
                }
                Some('-') if on => on = false,
                _ => return Ok(()),
            }
            self.next();
        }
    }

    /// A quantifier after `node`, if there is one.
    fn closure(&mut self, node: Node) -> Parse<Node> {
        let (min, max) = match self.peek() {
            '?' => {
                self.next();
                (0, 1)
            }
            '*' => {
                self.next();
                (0, UNBOUNDED)
            }
            '+' => {
                self.next();
                (1, UNBOUNDED)
            }
            '{' => self.counted()?,
            _ => return Ok(node),
        };
        let mode = match self.peek() {
            '?' => Mode::Lazy,
            '+' => Mode::Possessive,
            _ => Mode::Greedy,
        };
        if mode != Mode::Greedy {
            self.next();
        }
        Ok(Node::Repeat { node: Box::new(node), min, max, mode })
    }

    fn counted(&mut self) -> Parse<(u32, u32)> {
        if !self.at(self.cursor + 1).is_ascii_digit() {
            self.cursor += 2;
            return Err(self.error("Illegal repetition"));
        }
        self.cursor += 1;
        self.skip_blanks();
        let min = self.count()?;
        let mut max = min;
        if self.peek() == ',' {
            max = UNBOUNDED;
            if self.next() != '}' {
                max = self.count()?;
            }
        }
        if self.peek() != '}' {
            self.cursor += 1;
            return Err(self.error("Unclosed counted closure"));
        }
        self.cursor += 1;
        if max < min {
            return Err(self.error("Illegal repetition range"));
        }
        Ok((min, max))
    }

    fn count(&mut self) -> Parse<u32> {
        let mut number: u32 = 0;
        while let Some(digit) = self.peek().to_digit(10) {
            self.cursor += 1;
            number = match number.checked_mul(10).and_then(|number| number.checked_add(digit)) {
                Some(number) if number <= UNBOUNDED => number,
                _ => return Err(self.error("Illegal repetition range")),
            };
        }
        Ok(number)
    }
}

enum Member {
    /// A character of Latin-1 that stands alone.
    Single(CharSet),
    Set(CharSet),
}

/// Blanks in comments mode.
fn is_blank(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ')
}

/// Most characters of two parts together; nothing beyond what Java counts.
fn add_spans(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    a.zip(b).map(|(a, b)| a.saturating_add(b)).filter(|&sum| sum <= UNBOUNDED)
}

impl Node {
    /// Fewest characters the node covers, and most unless Java sees no limit to them.
    fn span(&self) -> (u32, Option<u32>) {
        match self {
            Self::Empty | Self::At(_) | Self::Ahead { .. } | Self::Behind { .. } => (0, Some(0)),
            Self::Set(_) => (1, Some(1)),
            Self::LineBreak => (1, Some(2)),
            Self::Concat(nodes) => nodes.iter().fold((0, Some(0)), |(min, max), node| {
                let (least, most) = node.span();
                (min.saturating_add(least), add_spans(max, most))
            }),
            Self::Alternatives(nodes) => {
                let spans = nodes.iter().map(Self::span);
                spans
                    .reduce(|(min, max), (least, most)| (min.min(least), max.zip(most).map(|(a, b)| a.max(b))))
                    .unwrap_or((0, Some(0)))
            }
            Self::Group(_, node) | Self::Atomic(node) => node.span(),
            Self::Repeat { node, min, max, .. } => {
                let (least, most) = node.span();
                let most = match most {
                    Some(0) => Some(0),
                    // A run of one set may be as long as it likes, a repeated group may not.
                    Some(_) if node.is_one_set() => Some(*max),
                    Some(most) if *max == 1 => Some(most),
                    Some(most) if *max != UNBOUNDED && !node.has_choice() => {
                        most.checked_mul(*max).filter(|&most| most <= UNBOUNDED)
                    }
                    _ => None,
                };
                (least.saturating_mul(*min), most)
            }
            Self::Back { .. } => (0, None),
        }
    }

    fn is_one_set(&self) -> bool {
        match self {
            Self::Set(_) => true,
            Self::Group(_, node) => node.is_one_set(),
            _ => false,
        }
    }

    /// Whether the node can match the same text in several ways.
    fn has_choice(&self) -> bool {
        match self {
            Self::Empty | Self::At(_) | Self::Set(_) | Self::Back { .. } | Self::LineBreak => false,
            Self::Ahead { .. } | Self::Behind { .. } => false,
            Self::Alternatives(_) => true,
            Self::Concat(nodes) => nodes.iter().any(Self::has_choice),
            Self::Group(_, node) | Self::Atomic(node) => node.has_choice(),
            Self::Repeat { node, min, max, .. } => min != max || node.has_choice(),
        }
    }
}
