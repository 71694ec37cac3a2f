//! Finding lines in bytes that arrive in pieces.

/// Where a line lies in the buffer, and where the next one begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Line {
    /// First byte.
    pub start: u32,
    /// First byte of its end: `\n`, `\r\n` or `\r`.
    pub end: u32,
    /// First byte behind its end.
    pub next: u32,
}

/// Bytes read and not yet handed on as lines.
///
/// Lines are found once: what was looked at before is not looked at again when more bytes arrive, so
/// that a long line costs no more than its length.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// First byte that was not handed on.
    start: usize,
    /// First byte that was not looked at.
    scanned: usize,
}

impl LineBuffer {
    /// Adds bytes behind those that are there. Lines taken and not yet used go on pointing to their
    /// bytes.
    pub fn append(&mut self, read: Vec<u8>, lines: &mut [Line]) {
        let keep = lines.first().map_or(self.start, |line| line.start as usize);
        if keep == self.bytes.len() {
            self.bytes = read;
        } else {
            self.bytes.drain(..keep);
            self.bytes.extend_from_slice(&read);
        }
        self.start -= keep;
        self.scanned -= keep;
        for line in lines {
            let back = keep as u32;
            *line = Line { start: line.start - back, end: line.end - back, next: line.next - back };
        }
    }

    /// All bytes that lines refer to.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that no line was found in yet.
    pub fn rest(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Hands on complete lines until there are `max_lines`, or more than `max_bytes` of them. True
    /// when there are as many, false when there is no further line.
    ///
    /// A last line without an end is kept, and so is one that ends in a `\r` which may be half of a
    /// `\r\n`.
    pub fn take(&mut self, lines: &mut Vec<Line>, max_lines: usize, max_bytes: usize) -> bool {
        let mut taken = lines.first().map_or(0, |first| self.start - first.start as usize);
        while lines.len() < max_lines && taken <= max_bytes {
            let Some(end) = find_line_end(&self.bytes, self.scanned) else {
                self.scanned = self.bytes.len();
                return false;
            };
            let next = match (self.bytes[end], self.bytes.get(end + 1)) {
                (b'\r', None) => {
                    self.scanned = end;
                    return false;
                }
                (b'\r', Some(b'\n')) => end + 2,
                _ => end + 1,
            };
            // Batches, and so what is buffered for them, are far below 4 GiB.
            lines.push(Line { start: self.start as u32, end: end as u32, next: next as u32 });
            taken += next - self.start;
            (self.start, self.scanned) = (next, next);
        }
        true
    }
}

/// The first `\n` or `\r` from a position on.
#[inline]
fn find_line_end(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', &bytes[from..]).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the pieces one after the other, takes all lines after each, and shows them.
    #[track_caller]
    fn check_lines(pieces: &[&str], expected: &[&str]) {
        let mut buffer = LineBuffer::default();
        let mut found = Vec::new();
        let mut position = 0;
        for piece in pieces {
            buffer.append(piece.as_bytes().to_vec(), &mut []);
            let mut lines = Vec::new();
            buffer.take(&mut lines, usize::MAX, usize::MAX);
            for line in lines {
                let text = &buffer.bytes()[line.start as usize..line.end as usize];
                position += line.next - line.start;
                found.push(format!("{}@{position}", std::str::from_utf8(text).expect("text")));
            }
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn all_three_line_ends_end_a_line() {
        check_lines(&["a\nb\r\nc\rd\n"], &["a@2", "b@5", "c@7", "d@9"]);
        check_lines(&["\n\r\r\n\n"], &["@1", "@2", "@4", "@5"]);
    }

    #[test]
    fn a_line_without_an_end_is_kept_until_it_has_one() {
        check_lines(&["one\ntw", "o", "\n"], &["one@4", "two@8"]);
    }

    #[test]
    fn a_carriage_return_waits_for_what_follows() {
        check_lines(&["a\r"], &[]);
        check_lines(&["a\r", "\nb\n"], &["a@3", "b@5"]);
        check_lines(&["a\r", "b\n"], &["a@2", "b@4"]);
        check_lines(&["a\r", "\r", "x"], &["a@2", "@3"]);
    }

    #[test]
    fn ends_are_found_wherever_they_lie_in_a_word() {
        for before in 0..40 {
            for end in ['\n', '\r'] {
                let text = format!("{}{end}{}", "\u{8b}x".repeat(before), "y".repeat(20));
                assert_eq!(find_line_end(text.as_bytes(), 0), Some(before * 3));
                assert_eq!(find_line_end(text.as_bytes(), before * 3 + 1), None);
            }
        }
    }

    #[test]
    fn lines_keep_their_bytes_when_more_arrive() {
        let mut buffer = LineBuffer::default();
        buffer.append(b"skipped\none\ntw".to_vec(), &mut []);
        let mut lines = Vec::new();
        buffer.take(&mut lines, 1, usize::MAX);
        lines.clear();
        buffer.take(&mut lines, 9, usize::MAX);
        buffer.append(b"o\n".to_vec(), &mut lines);
        buffer.take(&mut lines, 9, usize::MAX);
        let texts: Vec<_> = lines.iter().map(|line| &buffer.bytes()[line.start as usize..line.end as usize]).collect();
        assert_eq!(texts, [b"one", b"two"]);
    }

    #[test]
    fn limits_leave_lines_for_the_next_time() {
        let mut buffer = LineBuffer::default();
        buffer.append(b"1\n22\n333\n4444\n".to_vec(), &mut []);
        let mut lines = Vec::new();
        buffer.take(&mut lines, 2, usize::MAX);
        assert_eq!(lines.len(), 2);
        assert_eq!(buffer.rest(), 9);
        lines.clear();
        buffer.take(&mut lines, usize::MAX, 3);
        assert_eq!(lines, [Line { start: 5, end: 8, next: 9 }]);
        lines.clear();
        buffer.take(&mut lines, usize::MAX, 3);
        assert_eq!(lines, [Line { start: 9, end: 13, next: 14 }]);
    }
}
