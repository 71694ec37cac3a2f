//! `BigDecimal` and `BigInteger`: text, parsing, comparing and narrowing.
//!
//! A scale may be as large as 32 bits allow; nothing here writes out powers of ten beyond the
//! number's own digits unless the caller sets a limit.

use std::{cmp::Ordering, fmt::Write};

use millstream_record::Decimal;
use num_bigint::{BigInt, Sign};

use crate::java_text::{decimal_digit, f32_text, f64_text};

/// Reads `new BigDecimal(text)`: an optional sign, digits of any script with at most one point, an
/// optional exponent of at most ten digits; no blanks. The scale is the number of digits after the
/// point less the exponent.
///
/// `None` where Java has a NumberFormatException.
pub fn parse_decimal(text: &str) -> Option<Decimal> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], parse_exponent(&body[at + 1..])?),
        None => (body, 0),
    };
    let mut digits = Vec::with_capacity(mantissa.len());
    let mut point: Option<usize> = None;
    for c in mantissa.chars() {
        if c == '.' {
            if point.replace(digits.len()).is_some() {
                return None;
            }
        } else {
            digits.push(decimal_digit(c)?);
        }
    }
    if digits.is_empty() {
        return None;
    }
    let fraction = point.map_or(0, |at| digits.len() - at) as i64;
    let scale = i32::try_from(fraction - exponent).ok()?;
    let size = parse_digits(&digits);
    Some(from_big(&if negative { -size } else { size }, scale))
}

/// Reads the part after `e`.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: i64 = 0;
    for c in digits.chars() {
        number = number * 10 + i64::from(decimal_digit(c)?);
        // More than ten significant digits are refused, and any that fit 32 bits have fewer.
        if 9_999_999_999 < number {
            return None;
        }
    }
    // The exponent itself must fit 32 bits, not only the scale that comes of it.
    i32::try_from(if negative { -number } else { number }).ok().map(i64::from)
}

/// Digits (0 to 9 each), most significant first, by halves: long texts would take quadratic time otherwise.
fn parse_digits(digits: &[u8]) -> BigInt {
    if digits.len() <= 18 {
        return BigInt::from(digits.iter().fold(0u64, |number, &digit| number * 10 + u64::from(digit)));
    }
    let low = digits.len() / 2;
    let (high, rest) = digits.split_at(digits.len() - low);
    parse_digits(high) * BigInt::from(10u8).pow(low as u32) + parse_digits(rest)
}

/// Reads `new BigInteger(text)`: an optional sign and digits of any script.
pub fn parse_integer(text: &str) -> Option<Vec<u8>> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = body.chars().map(decimal_digit).collect::<Option<Vec<u8>>>()?;
    if digits.is_empty() {
        return None;
    }
    let size = parse_digits(&digits);
    Some(to_bytes(&if negative { -size } else { size }))
}

/// Appends `BigDecimal.toString`: plain, or with an exponent where the scale is negative or the
/// number is below 10^-6: `3.70`, `1E+3`, `1E-7`.
pub fn write_decimal(out: &mut String, value: &Decimal) {
    let unscaled = to_big(&value.unscaled);
    let digits = unscaled.magnitude().to_str_radix(10);
    if unscaled.sign() == Sign::Minus {
        out.push('-');
    }
    if value.scale == 0 {
        out.push_str(&digits);
        return;
    }
    let scale = i64::from(value.scale);
    let exponent = digits.len() as i64 - 1 - scale;
    if 0 < scale && -6 <= exponent {
        push_with_point(out, &digits, scale as usize);
        return;
    }
    out.push_str(&digits[..1]);
    if 1 < digits.len() {
        out.push('.');
        out.push_str(&digits[1..]);
    }
    if exponent != 0 {
        write!(out, "E{exponent:+}").expect("writing to a string succeeds");
    }
}

/// `BigDecimal.toString`; see [`write_decimal`].
pub fn decimal_text(value: &Decimal) -> String {
    let mut out = String::new();
    write_decimal(&mut out, value);
    out
}

/// `BigDecimal.toPlainString`, without an exponent. `None` if that would take more than `max_len`
/// bytes: a small decimal can have a scale of two thousand million.
pub fn decimal_plain_text(value: &Decimal, max_len: usize) -> Option<String> {
    let unscaled = to_big(&value.unscaled);
    let digits = unscaled.magnitude().to_str_radix(10);
    let size = digits.len() as u64 + u64::from(value.scale.unsigned_abs()) + 3;
    if (max_len as u64) < size && (0 < value.scale || unscaled.sign() != Sign::NoSign) {
        return None;
    }
    let mut out = String::new();
    if unscaled.sign() == Sign::Minus {
        out.push('-');
    }
    if 0 < value.scale {
        push_with_point(&mut out, &digits, value.scale as usize);
    } else {
        out.push_str(&digits);
        if unscaled.sign() != Sign::NoSign {
            out.extend(std::iter::repeat_n('0', value.scale.unsigned_abs() as usize));
        }
    }
    Some(out)
}

fn push_with_point(out: &mut String, digits: &str, scale: usize) {
    match digits.len().checked_sub(scale) {
        Some(whole) if 0 < whole => {
            out.push_str(&digits[..whole]);
            out.push('.');
            out.push_str(&digits[whole..]);
        }
        _ => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', scale - digits.len()));
            out.push_str(digits);
        }
    }
}

/// `BigInteger.toString` of big-endian two's complement.
pub fn integer_text(bytes: &[u8]) -> String {
    to_big(bytes).to_string()
}

/// `BigDecimal.longValue`: the fraction is cut off, of the rest the low 64 bits are kept.
pub fn decimal_to_i64(value: &Decimal) -> i64 {
    let scale = i64::from(value.scale);
    // 10^64 is a multiple of 2^64.
    if scale <= -64 {
        return 0;
    }
    if scale <= 0 {
        let power = 10i64.wrapping_pow(scale.unsigned_abs() as u32);
        return integer_to_i64(&value.unscaled).wrapping_mul(power);
    }
    // A byte is less than 2.5 decimal digits: with a larger scale the number is below one.
    if (value.unscaled.len() as i64).saturating_mul(5) / 2 + 1 < scale {
        return 0;
    }
    let whole = to_big(&value.unscaled) / BigInt::from(10u8).pow(value.scale as u32);
    integer_to_i64(&to_bytes(&whole))
}

/// `BigInteger.longValue`: the low 64 bits of big-endian two's complement.
pub fn integer_to_i64(bytes: &[u8]) -> i64 {
    let fill = if bytes.first().is_some_and(|&first| 0x80 <= first) { 0xFF } else { 0 };
    let mut low = [fill; 8];
    let taken = bytes.len().min(8);
    low[8 - taken..].copy_from_slice(&bytes[bytes.len() - taken..]);
    i64::from_be_bytes(low)
}

/// The whole number that a decimal without fraction stands for, if it fits 64 bits.
pub fn decimal_as_exact_i64(value: &Decimal) -> Option<i64> {
    let unscaled = to_big(&value.unscaled);
    if unscaled.sign() == Sign::NoSign {
        return Some(0);
    }
    let scale = i64::from(value.scale);
    if scale <= -20 || (value.unscaled.len() as i64).saturating_mul(5) / 2 + 1 < scale {
        return None;
    }
    let power = BigInt::from(10u8).pow(value.scale.unsigned_abs());
    if scale <= 0 {
        return i64::try_from(unscaled * power).ok();
    }
    let whole = &unscaled / &power;
    (&whole * &power == unscaled).then(|| i64::try_from(whole).ok()).flatten()
}

/// `BigDecimal.doubleValue`, correctly rounded; infinite beyond the range.
pub fn decimal_to_f64(value: &Decimal) -> f64 {
    float_literal(value).parse().expect("digits with an exponent are a number")
}

/// `BigDecimal.floatValue`, rounded once; infinite beyond the range.
pub fn decimal_to_f32(value: &Decimal) -> f32 {
    float_literal(value).parse().expect("digits with an exponent are a number")
}

/// A text of bounded length that rounds as the decimal does.
fn float_literal(value: &Decimal) -> String {
    /// More digits than the exact halfway point between any two doubles has.
    const SIGNIFICANT: usize = 800;
    let unscaled = to_big(&value.unscaled);
    let mut digits = unscaled.magnitude().to_str_radix(10);
    let mut exponent = -i64::from(value.scale);
    if SIGNIFICANT < digits.len() {
        // What is cut off matters only in being zero or not.
        let sticky = digits[SIGNIFICANT..].bytes().any(|digit| digit != b'0');
        exponent += (digits.len() - SIGNIFICANT) as i64;
        digits.truncate(SIGNIFICANT);
        if sticky {
            digits.push('1');
            exponent -= 1;
        }
    }
    let sign = if unscaled.sign() == Sign::Minus { "-" } else { "" };
    // Rust's parser reads exponents up to five digits; anything beyond is zero or infinite long before.
    format!("{sign}{digits}e{}", exponent.clamp(-9_999, 9_999))
}

/// `BigDecimal.valueOf(double)`, by its Java text; `None` for NaN and infinities.
pub fn decimal_from_f64(value: f64) -> Option<Decimal> {
    parse_decimal(&f64_text(value))
}

/// `new BigDecimal(Float.toString(value))`; `None` for NaN and infinities.
pub fn decimal_from_f32(value: f32) -> Option<Decimal> {
    parse_decimal(&f32_text(value))
}

/// The integer as a decimal of that scale: `unscaled × 10^-scale`.
pub fn decimal_from_i64(unscaled: i64, scale: i32) -> Decimal {
    Decimal { unscaled: i64_to_bytes(unscaled), scale }
}

/// The integer as minimal big-endian two's complement.
pub fn i64_to_bytes(value: i64) -> Vec<u8> {
    to_bytes(&BigInt::from(value))
}

/// The same integer in as few bytes as it needs, at least one. Empty input is zero.
pub fn minimal_bytes(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, second, ..] = rest {
        if (*first == 0 && *second < 0x80) || (*first == 0xFF && 0x80 <= *second) {
            rest = &rest[1..];
        } else {
            break;
        }
    }
    if rest.is_empty() { &[0] } else { rest }
}

/// `BigDecimal.compareTo`: by value, without regard to scale.
pub fn compare(a: &Decimal, b: &Decimal) -> Ordering {
    let (x, y) = (to_big(&a.unscaled), to_big(&b.unscaled));
    let signs = x.sign().cmp(&y.sign());
    if signs != Ordering::Equal || x.sign() == Sign::NoSign {
        return signs;
    }
    // Different orders of magnitude settle it without writing out the difference of the scales.
    let top = |number: &BigInt, scale: i32| number.magnitude().to_str_radix(10).len() as i64 - i64::from(scale);
    let tops = top(&x, a.scale).cmp(&top(&y, b.scale));
    if tops != Ordering::Equal {
        return if x.sign() == Sign::Minus { tops.reverse() } else { tops };
    }
    let gap = i64::from(a.scale) - i64::from(b.scale);
    let power = BigInt::from(10u8).pow(gap.unsigned_abs() as u32);
    if 0 < gap { x.cmp(&(y * power)) } else { (x * power).cmp(&y) }
}

fn from_big(unscaled: &BigInt, scale: i32) -> Decimal {
    Decimal { unscaled: to_bytes(unscaled), scale }
}

fn to_big(bytes: &[u8]) -> BigInt {
    BigInt::from_signed_bytes_be(bytes)
}

fn to_bytes(number: &BigInt) -> Vec<u8> {
    number.to_signed_bytes_be()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        parse_decimal(text).expect("a decimal")
    }

    #[test]
    fn decimals_are_written_as_java_does() {
        for (text, expected) in [
            ("3.70", "3.70"),
            ("1E+3", "1E+3"),
            ("1e3", "1E+3"),
            ("-12.50e2", "-1250"),
            ("123e-5", "0.00123"),
            ("0.0000001", "1E-7"),
            ("0.000001", "0.000001"),
            ("12e-8", "1.2E-7"),
            ("0e10", "0E+10"),
            ("0.00000000", "0E-8"),
            ("-0", "0"),
            (".5", "0.5"),
            ("1.", "1"),
            ("10e400", "1.0E+401"),
            ("٣.٤", "3.4"),
        ] {
            assert_eq!(decimal_text(&decimal(text)), expected, "{text}");
        }
    }

    #[test]
    fn texts_that_java_refuses_are_refused() {
        for text in [
            "",
            "+",
            ".",
            "1e",
            "e1",
            "1 ",
            " 1",
            "1f",
            "0x1",
            "NaN",
            "1..2",
            "1e+-2",
            "1e99999999999",
            "1e2147483648",
            "1_0",
            "--1",
            "0.1e-2147483648",
        ] {
            assert_eq!(parse_decimal(text), None, "{text:?}");
        }
    }

    #[test]
    fn plain_text_has_no_exponent_and_is_bounded() {
        assert_eq!(decimal_plain_text(&decimal("1.5e3"), 99), Some("1500".to_owned()));
        assert_eq!(decimal_plain_text(&decimal("-1e-9"), 99), Some("-0.000000001".to_owned()));
        assert_eq!(decimal_plain_text(&decimal("0e9"), 9), Some("0".to_owned()));
        assert_eq!(decimal_plain_text(&decimal("1e2000000000"), 1 << 20), None);
    }

    #[test]
    fn narrowing_cuts_the_fraction_and_keeps_the_low_bits() {
        for (text, expected) in [
            ("3.70", 3),
            ("-3.70", -3),
            ("9223372036854775808", i64::MIN),
            ("1e2000000000", 0),
            ("1e-2000000000", 0),
            ("12e1", 120),
            ("0.99", 0),
            ("1844674407370955161600.5", 0),
        ] {
            assert_eq!(decimal_to_i64(&decimal(text)), expected, "{text}");
        }
    }

    #[test]
    fn only_whole_numbers_within_64_bits_are_exact_integers() {
        for (text, expected) in [
            ("1.00", Some(1)),
            ("1e2", Some(100)),
            ("1.5", None),
            ("0e99999999", Some(0)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("1e-2147483647", None),
        ] {
            assert_eq!(decimal_as_exact_i64(&decimal(text)), expected, "{text}");
        }
    }

    #[test]
    fn floats_of_decimals_are_rounded_once() {
        assert_eq!(decimal_to_f64(&decimal("0.1")), 0.1);
        assert_eq!(decimal_to_f64(&decimal("1e2000000000")), f64::INFINITY);
        assert_eq!(decimal_to_f64(&decimal("-1e-2000000000")), 0.0);
        assert_eq!(decimal_to_f32(&decimal("1.00000017881393432617187499")), 1.0000001);
        let halfway =
            format!("1.{}1", "00000000000000011102230246251565404236316680908203125".to_owned() + &"0".repeat(900));
        assert_eq!(decimal_to_f64(&decimal(&halfway)), 1.0000000000000002);
    }

    #[test]
    fn comparing_disregards_the_scale() {
        for (a, b, expected) in [
            ("1.0", "1", Ordering::Equal),
            ("0", "0e50", Ordering::Equal),
            ("-1e2000000000", "-1", Ordering::Less),
            ("12", "11.99", Ordering::Greater),
            ("-12", "-11.99", Ordering::Less),
            ("1e-2000000000", "1e2000000000", Ordering::Less),
        ] {
            assert_eq!(compare(&decimal(a), &decimal(b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn integers_are_minimal_twos_complement() {
        assert_eq!(parse_integer("128"), Some(vec![0, 0x80]));
        assert_eq!(parse_integer("-128"), Some(vec![0x80]));
        assert_eq!(parse_integer("1.5"), None);
        assert_eq!(integer_text(&[0xFF, 0x7F]), "-129");
        assert_eq!(integer_to_i64(&[1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]), -2);
        assert_eq!(minimal_bytes(&[0, 0, 0x80]), &[0, 0x80]);
        assert_eq!(minimal_bytes(&[0xFF, 0xFF]), &[0xFF]);
        assert_eq!(minimal_bytes(&[]), &[0]);
    }

    proptest::proptest! {
        #[test]
        fn parsing_is_total_and_text_reads_back(text in "[-+]?[0-9]{0,30}\\.?[0-9]{0,12}([eE][-+]?[0-9]{1,11})?") {
            if let Some(value) = parse_decimal(&text) {
                proptest::prop_assert_eq!(parse_decimal(&decimal_text(&value)), Some(value.clone()));
                let _ = (decimal_to_i64(&value), decimal_to_f64(&value), decimal_as_exact_i64(&value));
                let _ = (decimal_plain_text(&value, 1000), compare(&value, &decimal("1.5")));
            }
        }
    }
}
