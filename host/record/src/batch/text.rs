//! Making a column of texts whose number is known before they are.

use super::{
    column::{Column, end_of_heap},
    layout::Kind,
    trusted_str,
};

/// Texts under construction: what is appended belongs to the row under way, until that ends.
#[derive(Clone, Debug)]
pub struct TextBuilder {
    rows: usize,
    ended: usize,
    /// Offsets, with room for all of them, and the texts behind them.
    data: Vec<u8>,
}

impl TextBuilder {
    /// For so many rows; room for so many bytes of text is made at once.
    pub fn new(rows: usize, bytes: usize) -> Self {
        let mut data = Vec::with_capacity((rows + 1) * 4 + bytes);
        data.resize((rows + 1) * 4, 0);
        Self { rows, ended: 0, data }
    }

    /// Appends to the row under way.
    #[inline]
    pub fn append(&mut self, text: &str) {
        self.data.extend_from_slice(text.as_bytes());
    }

    /// Ends the row under way.
    ///
    /// # Panics
    ///
    /// If there were as many rows as were announced, or their texts have more than 4 GiB.
    #[inline]
    pub fn end_row(&mut self) {
        assert!(self.ended < self.rows, "more rows than were announced");
        let end = end_of_heap(self.data.len() - (self.rows + 1) * 4);
        self.ended += 1;
        self.data[self.ended * 4..self.ended * 4 + 4].copy_from_slice(&end.to_le_bytes());
    }

    /// Appends a whole row.
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.append(text);
        self.end_row();
    }

    /// The column, of which no row is null.
    ///
    /// # Panics
    ///
    /// If there are fewer rows than were announced, or one has not ended.
    pub fn finish(self) -> Column<'static> {
        assert_eq!(self.ended, self.rows, "as many rows as were announced");
        let end = super::layout::u32_at(&self.data, self.rows * 4) as usize;
        assert_eq!(end, self.data.len() - (self.rows + 1) * 4, "every row has ended");
        Column::raw(Kind::String, self.rows as u32, self.data)
    }
}

/// The bytes as text, if they are UTF-8. Text without other letters than ASCII's is seen many bytes at a time, unlike by the
/// standard library in WebAssembly.
pub fn text_of(bytes: &[u8]) -> Option<&str> {
    let ascii = bytes.chunks(256).all(|chunk| chunk.iter().fold(0, |bits, byte| bits | byte) < 0x80);
    if ascii { Some(trusted_str(bytes)) } else { std::str::from_utf8(bytes).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_if_they_are_utf_8() {
        assert_eq!(text_of(b"plain"), Some("plain"));
        assert_eq!(text_of("für".as_bytes()), Some("für"));
        let long = [vec![b'x'; 300], vec![0xc3]].concat();
        assert_eq!(text_of(&long), None);
    }

    #[test]
    fn texts_are_appended_piece_by_piece() {
        let mut texts = TextBuilder::new(3, 8);
        texts.push("für");
        texts.end_row();
        texts.append("a");
        texts.push("b");
        let column = texts.finish();
        assert_eq!([column.str(0), column.str(1), column.str(2)], ["für", "", "ab"]);
        assert_eq!(TextBuilder::new(0, 0).finish().rows, 0);
    }

    #[test]
    #[should_panic(expected = "as many rows as were announced")]
    fn a_row_that_is_missing_is_noticed() {
        let _ = TextBuilder::new(1, 0).finish();
    }

    #[test]
    #[should_panic(expected = "every row has ended")]
    fn text_behind_the_last_row_is_noticed() {
        let mut texts = TextBuilder::new(0, 0);
        texts.append("x");
        let _ = texts.finish();
    }
}
