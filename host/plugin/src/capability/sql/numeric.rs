//! Exact numbers between the forms of databases and Connect's Decimal.

use std::fmt::Write;

/// Most digits that are computed with: PostgreSQL's numbers have up to 147,455, and a hostile one may be as long.
const MAX_DIGITS: usize = 160_000;

/// `±magnitude × 10^-scale`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Number {
    negative: bool,
    magnitude: Magnitude,
    pub(super) scale: i32,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Magnitude {
    Small(u128),
    /// Lowest first.
    Large(Vec<u32>),
}

/// What PostgreSQL's NUMERIC may hold beside numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoNumber {
    Nan,
    Infinity,
    NegativeInfinity,
}

impl Magnitude {
    /// Times a factor, and a summand.
    fn grow(&mut self, factor: u32, summand: u32) {
        if let Self::Small(small) = self {
            match small.checked_mul(factor.into()).and_then(|product| product.checked_add(summand.into())) {
                Some(grown) => {
                    *small = grown;
                    return;
                }
                None => {
                    let limbs = (0..4).map(|limb| (*small >> (32 * limb)) as u32);
                    *self = Self::Large(limbs.collect());
                }
            }
        }
        if let Self::Large(limbs) = self {
            let mut carry = u64::from(summand);
            for limb in limbs.iter_mut() {
                let grown = u64::from(*limb) * u64::from(factor) + carry;
                *limb = grown as u32;
                carry = grown >> 32;
            }
            if carry != 0 {
                limbs.push(carry as u32);
            }
        }
    }

    /// Divided; the remainder.
    fn shrink(&mut self, divisor: u32) -> u32 {
        match self {
            Self::Small(small) => {
                let remainder = *small % u128::from(divisor);
                *small /= u128::from(divisor);
                remainder as u32
            }
            Self::Large(limbs) => {
                let mut remainder = 0_u64;
                for limb in limbs.iter_mut().rev() {
                    let dividend = remainder << 32 | u64::from(*limb);
                    *limb = (dividend / u64::from(divisor)) as u32;
                    remainder = dividend % u64::from(divisor);
                }
                while limbs.last() == Some(&0) {
                    limbs.pop();
                }
                if limbs.len() <= 4 {
                    let small = limbs.iter().rev().fold(0, |small, &limb| small << 32 | u128::from(limb));
                    *self = Self::Small(small);
                }
                remainder as u32
            }
        }
    }

    fn is_zero(&self) -> bool {
        matches!(self, Self::Small(0))
    }

    /// Big-endian, without leading zeros.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = match self {
            Self::Small(small) => small.to_be_bytes().to_vec(),
            Self::Large(limbs) => limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect(),
        };
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        bytes.drain(..zeros);
        bytes
    }

    /// Decimal digits, at least one.
    fn digits(&self) -> String {
        if let Self::Small(small) = self {
            return small.to_string();
        }
        let (mut rest, mut groups) = (self.clone(), Vec::new());
        while !rest.is_zero() {
            groups.push(rest.shrink(1_000_000_000));
        }
        let mut text = String::new();
        for (at, group) in groups.iter().rev().enumerate() {
            let _ = if at == 0 { write!(text, "{group}") } else { write!(text, "{group:09}") };
        }
        text
    }
}

/// Powers of ten that fit into a factor.
fn power_of_ten(exponent: u32) -> u32 {
    10_u32.pow(exponent)
}

impl Number {
    pub(super) fn of(value: i128, scale: i32) -> Self {
        Self { negative: value < 0, magnitude: Magnitude::Small(value.unsigned_abs()), scale }
    }

    /// Reads digits with a sign, a point and an exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (digits, exponent) = match rest.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 || MAX_DIGITS < whole.len() + fraction.len() {
            return None;
        }
        let mut magnitude = Magnitude::Small(0);
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
            magnitude.grow(10, u32::from(byte - b'0'));
        }
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        Some(Self { negative, magnitude, scale })
    }

    /// From Connect's Decimal: big-endian two's complement.
    pub(super) fn of_unscaled(bytes: &[u8], scale: i32) -> Self {
        let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
        let mut magnitude = Magnitude::Small(0);
        if negative {
            // -x is the complement and one more.
            bytes.iter().for_each(|byte| magnitude.grow(256, u32::from(!byte)));
            magnitude.grow(1, 1);
        } else {
            bytes.iter().for_each(|byte| magnitude.grow(256, u32::from(*byte)));
        }
        Self { negative, magnitude, scale }
    }

    /// From PostgreSQL's binary form: digits of base 10,000.
    pub(super) fn of_postgres(bytes: &[u8]) -> Result<Result<Self, NoNumber>, &'static str> {
        let damaged = "the server's bytes are no numeric";
        let (head, digits) = bytes.split_at_checked(8).ok_or(damaged)?;
        let word = |at: usize| i16::from_be_bytes([head[at], head[at + 1]]);
        let (count, weight, sign, scale) = (word(0), word(2), word(4) as u16, i32::from(word(6)));
        let negative = match sign {
            0 => false,
            0x4000 => true,
            0xC000 => return Ok(Err(NoNumber::Nan)),
            0xD000 => return Ok(Err(NoNumber::Infinity)),
            0xF000 => return Ok(Err(NoNumber::NegativeInfinity)),
            _ => return Err(damaged),
        };
        if digits.len() != 2 * usize::try_from(count).map_err(|_| damaged)? {
            return Err(damaged);
        }
        let mut magnitude = Magnitude::Small(0);
        for digit in digits.as_chunks::<2>().0 {
            magnitude.grow(10_000, u16::from_be_bytes(*digit).into());
        }
        // The digits end at 10^exponent.
        let exponent = (i32::from(weight) - i32::from(count) + 1) * 4;
        let number = Self { negative, magnitude, scale: -exponent };
        number.rescaled(scale).map(Ok).ok_or(damaged)
    }

    /// The same number with another scale; none if digits would be lost.
    pub(super) fn rescaled(mut self, scale: i32) -> Option<Self> {
        let mut up = i64::from(scale) - i64::from(self.scale);
        if self.magnitude.is_zero() {
            self.scale = scale;
            return Some(self);
        }
        if i64::try_from(MAX_DIGITS).ok()? < up.abs() {
            return None;
        }
        while 0 < up {
            let step = up.min(9);
            self.magnitude.grow(power_of_ten(step as u32), 0);
            up -= step;
        }
        while up < 0 {
            let step = (-up).min(9);
            if self.magnitude.shrink(power_of_ten(step as u32)) != 0 {
                return None;
            }
            up += step;
        }
        self.scale = scale;
        Some(self)
    }

    /// Big-endian two's complement, at least one byte.
    pub(super) fn unscaled(&self) -> Vec<u8> {
        let mut bytes = self.magnitude.bytes();
        bytes.insert(0, 0);
        if self.negative {
            let mut carry = true;
            for byte in bytes.iter_mut().rev() {
                let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
                (*byte, carry) = (sum, over);
            }
        }
        let is_padding = |pair: &[u8]| matches!((pair[0], pair[1] & 0x80), (0, 0) | (0xff, 0x80));
        let padding = bytes.windows(2).take_while(|pair| is_padding(pair)).count();
        bytes.drain(..padding);
        bytes
    }

    /// Appends it to a column of decimals.
    pub(super) fn push(&self, builder: &mut millstream_record::batch::ColumnBuilder) {
        if let Magnitude::Small(small) = self.magnitude
            && let Ok(value) = i128::try_from(small)
        {
            let bytes = (if self.negative { -value } else { value }).to_be_bytes();
            let is_padding = |pair: &[u8]| matches!((pair[0], pair[1] & 0x80), (0, 0) | (0xff, 0x80));
            let padding = bytes.windows(2).take_while(|pair| is_padding(pair)).count();
            builder.push_decimal(self.scale, &bytes[padding..]);
        } else {
            builder.push_decimal(self.scale, &self.unscaled());
        }
    }

    /// As a whole number; none if it is none of 64 bits.
    pub(super) fn to_i64(&self) -> Option<i64> {
        let whole = self.clone().rescaled(0)?;
        let Magnitude::Small(small) = whole.magnitude else { return None };
        let value = i128::try_from(small).ok()?;
        i64::try_from(if whole.negative { -value } else { value }).ok()
    }

    /// The nearest double.
    pub(super) fn to_f64(&self) -> f64 {
        self.text().parse().unwrap_or(f64::NAN)
    }

    /// Whether its digits come back from the nearest double: fifteen do always.
    pub(super) fn fits_f64(&self) -> bool {
        self.magnitude.digits().trim_end_matches('0').len() <= 15 && self.to_f64().is_finite()
    }

    /// Digits with a sign and a point.
    pub(super) fn text(&self) -> String {
        let mut digits = self.magnitude.digits();
        match usize::try_from(self.scale) {
            Ok(0) => {}
            Ok(scale) => {
                if digits.len() <= scale {
                    digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
                }
                digits.insert(digits.len() - scale, '.');
            }
            Err(_) if digits == "0" => {}
            Err(_) => digits.push_str(&"0".repeat(self.scale.unsigned_abs().min(MAX_DIGITS as u32) as usize)),
        }
        if self.negative && !self.magnitude.is_zero() {
            digits.insert(0, '-');
        }
        digits
    }

    /// Appends PostgreSQL's binary form. Numbers beyond what it holds are errors.
    pub(super) fn write_postgres(&self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let too_long = "the number has more digits than PostgreSQL's numeric";
        let scale = self.scale.max(0);
        let shown = u16::try_from(scale).ok().filter(|&scale| scale <= 16_383).ok_or(too_long)?;
        // Groups of four digits begin at the point.
        let padded = scale + (4 - scale % 4) % 4;
        let mut number = self.clone().rescaled(padded).ok_or(too_long)?;
        let mut groups = Vec::new();
        while !number.magnitude.is_zero() {
            groups.push(number.magnitude.shrink(10_000) as u16);
        }
        groups.reverse();
        let behind = padded / 4;
        let weight = i16::try_from(groups.len() as i64 - 1 - i64::from(behind)).map_err(|_| too_long)?;
        while groups.last() == Some(&0) {
            groups.pop();
        }
        let count = i16::try_from(groups.len()).map_err(|_| too_long)?;
        let sign: u16 = if self.negative && count != 0 { 0x4000 } else { 0 };
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(&(if count == 0 { 0 } else { weight }).to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&shown.to_be_bytes());
        groups.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
        Ok(())
    }

    /// Digits before the point, without leading zeros.
    pub(super) fn whole_digits(&self) -> i64 {
        if self.magnitude.is_zero() { 0 } else { self.magnitude.digits().len() as i64 - i64::from(self.scale) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_every_form() {
        for text in [
            "0",
            "1",
            "-1",
            "0.5",
            "-0.05",
            "12345678901234567890.123456789",
            "10000",
            "100000000",
            "9999.9999",
            "0.0001",
            "340282366920938463463374607431768211456",
            "-340282366920938463463374607431768211456.25",
            "123.4500",
            "-128",
            "128",
            "-129",
            "255",
            "-32768",
        ] {
            let number = Number::parse(text).unwrap();
            assert_eq!(number.text(), text);
            assert_eq!(Number::of_unscaled(&number.unscaled(), number.scale).text(), text, "as Connect has it");
            let mut bytes = Vec::new();
            number.write_postgres(&mut bytes).unwrap();
            assert_eq!(Number::of_postgres(&bytes).unwrap().unwrap().text(), text, "as PostgreSQL has it");
        }
        assert_eq!(Number::parse("-128").unwrap().unscaled(), [0x80]);
        assert_eq!(Number::parse("128").unwrap().unscaled(), [0, 0x80]);
        assert_eq!(Number::parse("1.5e3").unwrap().rescaled(0).unwrap().text(), "1500");
        for odd in ["", "-", "1x", "1.2.3", "e5", "0x1"] {
            assert_eq!(Number::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_scale_is_changed_only_if_no_digit_is_lost() {
        let number = |text| Number::parse(text).unwrap();
        assert_eq!(number("1.50").rescaled(1).unwrap().text(), "1.5");
        assert_eq!(number("1.55").rescaled(1), None);
        assert_eq!(number("7").rescaled(127).unwrap().text(), format!("7.{}", "0".repeat(127)));
        assert_eq!(number("1200").rescaled(-2).unwrap().unscaled(), [12]);
        assert_eq!(number("9223372036854775807.0").to_i64(), Some(i64::MAX));
        assert_eq!((number("9223372036854775808").to_i64(), number("1.5").to_i64()), (None, None));
        assert_eq!(number("0.1").to_f64(), 0.1);
        assert_eq!((number("0.05").whole_digits(), number("123.4").whole_digits()), (-1, 3));
    }

    #[test]
    fn what_is_no_number_is_named_and_damaged_bytes_are_refused() {
        assert_eq!(Number::of_postgres(&[0, 0, 0, 0, 0xC0, 0, 0, 0]), Ok(Err(NoNumber::Nan)));
        assert_eq!(Number::of_postgres(&[0, 0, 0, 0, 0xF0, 0, 0, 0]), Ok(Err(NoNumber::NegativeInfinity)));
        for odd in [&[][..], &[0, 1, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 0, 1, 0, 0, 0]] {
            assert!(Number::of_postgres(odd).is_err());
        }
    }
}
