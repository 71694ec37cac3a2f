//! Bitmaps as the batch format has them: least significant bit first, one bit per row.

use std::borrow::Cow;

/// Bytes that a bitmap over `rows` rows takes.
pub fn bytes_for(rows: usize) -> usize {
    rows.div_ceil(8)
}

/// The bit of a row. Rows beyond the end read as unset.
#[inline]
pub fn get(bits: &[u8], row: usize) -> bool {
    bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1)
}

/// Changes the bit of a row.
///
/// # Panics
///
/// If the bitmap does not reach that far.
#[inline]
pub fn set(bits: &mut [u8], row: usize, value: bool) {
    let mask = 1 << (row % 8);
    if value {
        bits[row / 8] |= mask;
    } else {
        bits[row / 8] &= !mask;
    }
}

/// A bitmap over `rows` rows, all the same. Bits beyond the last row are unset.
pub fn filled(rows: usize, value: bool) -> Vec<u8> {
    let mut bits = vec![if value { 0xff } else { 0 }; bytes_for(rows)];
    clear_tail(&mut bits, rows);
    bits
}

/// Unsets the bits of the last byte that stand for no row.
pub fn clear_tail(bits: &mut [u8], rows: usize) {
    if let (Some(last), tail @ 1..) = (bits.last_mut(), rows % 8) {
        *last &= (1 << tail) - 1;
    }
}

/// How many of the first `rows` bits are set.
pub fn count(bits: &[u8], rows: usize) -> usize {
    let whole: u32 = bits[..rows / 8].iter().map(|byte| byte.count_ones()).sum();
    let tail = match rows % 8 {
        0 => 0,
        tail => (bits[rows / 8] & ((1 << tail) - 1)).count_ones(),
    };
    (whole + tail) as usize
}

/// A bitmap that grows by a bit at a time and costs nothing while every bit is set.
#[derive(Clone, Debug, Default)]
pub struct BitBuilder {
    bits: Vec<u8>,
    rows: usize,
    /// Whether `bits` is kept; until the first unset bit all are set and nothing is stored.
    kept: bool,
}

impl BitBuilder {
    /// Appends a bit.
    #[inline]
    pub fn push(&mut self, value: bool) {
        if !self.kept {
            if value {
                self.rows += 1;
                return;
            }
            self.bits = filled(self.rows, true);
            self.kept = true;
        }
        if self.rows.is_multiple_of(8) {
            self.bits.push(0);
        }
        set(&mut self.bits, self.rows, value);
        self.rows += 1;
    }

    /// Appends `count` equal bits.
    pub fn push_many(&mut self, value: bool, count: usize) {
        if value && !self.kept {
            self.rows += count;
            return;
        }
        for _ in 0..count {
            self.push(value);
        }
    }

    /// Forgets all but the first `rows` bits.
    pub fn truncate(&mut self, rows: usize) {
        self.rows = rows.min(self.rows);
        if self.kept {
            self.bits.truncate(bytes_for(self.rows));
            clear_tail(&mut self.bits, self.rows);
        }
    }

    /// The bit of a row.
    pub fn get(&self, row: usize) -> bool {
        !self.kept || get(&self.bits, row)
    }

    /// Number of bits.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no bit.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The bitmap, `None` if every bit is set.
    pub fn finish(self) -> Option<Vec<u8>> {
        self.kept.then_some(self.bits)
    }
}

/// Bits of chosen rows, `None` if all of them are set.
pub fn take(bits: Option<&[u8]>, rows: impl Iterator<Item = usize>) -> Option<Cow<'static, [u8]>> {
    let bits = bits?;
    let mut taken = BitBuilder::default();
    rows.for_each(|row| taken.push(get(bits, row)));
    taken.finish().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_without_an_unset_bit_is_not_stored() {
        let mut bits = BitBuilder::default();
        bits.push_many(true, 20);
        assert_eq!(bits.clone().finish(), None);
        bits.push(false);
        bits.push(true);
        assert_eq!(bits.finish(), Some(vec![0xff, 0xff, 0b10_1111]));
    }

    #[test]
    fn truncating_clears_the_bits_behind() {
        let mut bits = BitBuilder::default();
        bits.push(false);
        bits.push_many(true, 11);
        bits.truncate(3);
        assert_eq!(bits.len(), 3);
        assert_eq!(bits.finish(), Some(vec![0b110]));
    }

    #[test]
    fn counting_stops_at_the_row_count() {
        assert_eq!(count(&[0xff, 0xff], 11), 11);
        assert_eq!(count(&filled(9, true), 9), 9);
    }
}
