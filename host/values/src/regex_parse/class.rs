//! Character classes: `[a-z&&[^b]]`.

use super::{error::Parse, escapes::Escape, parser::Parser};
use crate::regex_class::CharSet;

enum Member {
    /// A character of Latin-1 that stands alone.
    Single(CharSet),
    Set(CharSet),
}

impl Parser {
    /// A character class; the cursor is on its `[`, or, without `consume`, before its first member.
    pub(super) fn class(&mut self, consume: bool) -> Parse<CharSet> {
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
                    self.unnest();
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
}

#[cfg(test)]
mod tests {
    use crate::regex_parse::tests::check_refused;

    #[test]
    fn a_class_is_closed_and_its_ranges_go_upwards() {
        check_refused("[a", "Unclosed character class near index 1\n[a\n ^");
        check_refused("[z-a]", "Illegal character range near index 3\n[z-a]\n   ^");
        check_refused("[&&]", "Bad class syntax near index 2\n[&&]\n  ^");
    }
}
