//! Java's text forms of integers and floating-point numbers, read and written.

use std::fmt::Write;

/// Appends `Double.toString` as of Java 19: the shortest decimal that reads back as the same number,
/// with at least one digit after the point; `1.0`, `1.0E7`, `-0.0`, `NaN`, `Infinity`.
///
/// Allocates only what `out` needs to grow. A `Vec<u8>` is written through [`write_f64_bytes`].
pub fn write_f64(out: &mut String, value: f64) {
    let mut text = FloatText::default();
    out.push_str(text.of_f64(value));
}

/// Appends `Float.toString` as of Java 19; see [`write_f64`].
pub fn write_f32(out: &mut String, value: f32) {
    let mut text = FloatText::default();
    out.push_str(text.of_f32(value));
}

/// As [`write_f64`], onto bytes.
pub fn write_f64_bytes(out: &mut Vec<u8>, value: f64) {
    if write_few_decimals(out, value) {
        return;
    }
    let mut text = FloatText::default();
    out.extend_from_slice(text.of_f64(value).as_bytes());
}

/// As [`write_f32`], onto bytes.
pub fn write_f32_bytes(out: &mut Vec<u8>, value: f32) {
    let mut text = FloatText::default();
    out.extend_from_slice(text.of_f32(value).as_bytes());
}

/// Writes a double of usual size with up to six decimals, which needs no search for the shortest text: no two
/// decimals of up to 15 digits are the same double, so the one that is found is the shortest. False, and nothing
/// is written, for others.
fn write_few_decimals(out: &mut Vec<u8>, value: f64) -> bool {
    const SCALE: u64 = 1_000_000;
    let size = value.abs();
    if !(1e-3..1e7).contains(&size) {
        return false;
    }
    let scaled = (size * SCALE as f64 + 0.5) as u64;
    // Both numbers are exact, so the quotient is the double nearest to the decimal.
    if scaled as f64 / SCALE as f64 != size {
        return false;
    }
    // Digits from the last one on.
    let mut text = [0; 16];
    let mut at = text.len();
    let (mut whole, mut decimals, mut places) = (scaled / SCALE, scaled % SCALE, 6);
    while 1 < places && decimals.is_multiple_of(10) {
        decimals /= 10;
        places -= 1;
    }
    let mut put = |byte: u8| {
        at -= 1;
        text[at] = byte;
    };
    for _ in 0..places {
        put(b'0' + (decimals % 10) as u8);
        decimals /= 10;
    }
    put(b'.');
    loop {
        put(b'0' + (whole % 10) as u8);
        whole /= 10;
        if whole == 0 {
            break;
        }
    }
    if value.is_sign_negative() {
        put(b'-');
    }
    out.extend_from_slice(&text[at..]);
    true
}

/// `Double.toString`; see [`write_f64`].
pub fn f64_text(value: f64) -> String {
    let mut out = String::new();
    write_f64(&mut out, value);
    out
}

/// `Float.toString`; see [`write_f32`].
pub fn f32_text(value: f32) -> String {
    let mut out = String::new();
    write_f32(&mut out, value);
    out
}

/// Room for the longest text of a double, on the stack.
#[derive(Default)]
struct FloatText {
    bytes: [u8; 32],
    len: usize,
}

impl FloatText {
    fn of_f64(&mut self, value: f64) -> &str {
        if !value.is_finite() {
            return non_finite(value);
        }
        if value == 0.0 {
            return if value.is_sign_negative() { "-0.0" } else { "0.0" };
        }
        let mut buffer = ryu::Buffer::new();
        let digits = Digits::read(buffer.format_finite(value.abs()));
        let digits = digits.at_least_two(|text| text.parse() == Ok(value.abs()), value.abs());
        self.lay_out(value < 0.0, &digits)
    }

    fn of_f32(&mut self, value: f32) -> &str {
        if !value.is_finite() {
            return non_finite(f64::from(value));
        }
        if value == 0.0 {
            return if value.is_sign_negative() { "-0.0" } else { "0.0" };
        }
        let mut buffer = ryu::Buffer::new();
        let digits = Digits::read(buffer.format_finite(value.abs()));
        let digits = digits.at_least_two(|text| text.parse() == Ok(value.abs()), f64::from(value.abs()));
        self.lay_out(value < 0.0, &digits)
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Plain from 10^-3 up to 10^7, else one digit, the point, and an exponent.
    fn lay_out(&mut self, negative: bool, digits: &Digits) -> &str {
        if negative {
            self.push(b'-');
        }
        let (digits, exponent) = (&digits.digits[..digits.len], digits.exponent);
        match exponent {
            0..7 => {
                for place in 0..=exponent as usize {
                    self.push(digits.get(place).copied().unwrap_or(b'0'));
                }
                self.push(b'.');
                self.fraction(digits.get(exponent as usize + 1..).unwrap_or_default());
            }
            -3..0 => {
                self.push(b'0');
                self.push(b'.');
                for _ in exponent..-1 {
                    self.push(b'0');
                }
                self.fraction(digits);
            }
            _ => {
                self.push(digits[0]);
                self.push(b'.');
                self.fraction(&digits[1..]);
                self.push(b'E');
                if exponent < 0 {
                    self.push(b'-');
                }
                let size = exponent.unsigned_abs();
                for unit in [100, 10, 1] {
                    if unit <= size || unit == 1 {
                        self.push(b'0' + (size / unit % 10) as u8);
                    }
                }
            }
        }
        std::str::from_utf8(&self.bytes[..self.len]).expect("only ASCII was written")
    }

    fn fraction(&mut self, digits: &[u8]) {
        if digits.is_empty() {
            self.push(b'0');
        }
        for &digit in digits {
            self.push(digit);
        }
    }
}

fn non_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if 0.0 < value {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Significant digits without leading or trailing zeros; the value is `d.ddd × 10^exponent`.
struct Digits {
    digits: [u8; 17],
    len: usize,
    exponent: i32,
}

impl Digits {
    /// Reads a positive number as `ryu` writes it: `12.5`, `1e16`, `1.2e-7`.
    fn read(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut found = Self { digits: [0; 17], len: 0, exponent: 0 };
        let mut exponent: i32 = exponent.parse().expect("ryu writes a decimal exponent");
        let mut point_seen = false;
        let mut zeros = 0;
        for byte in mantissa.bytes() {
            if byte == b'.' {
                point_seen = true;
                continue;
            }
            if found.len == 0 {
                // Before the first significant digit only the place of the point counts.
                if byte == b'0' {
                    exponent -= i32::from(point_seen);
                    continue;
                }
                exponent -= i32::from(point_seen);
            } else {
                exponent += i32::from(!point_seen);
            }
            if byte == b'0' {
                zeros += 1;
                continue;
            }
            for _ in 0..zeros {
                found.digits[found.len] = b'0';
                found.len += 1;
            }
            zeros = 0;
            found.digits[found.len] = byte;
            found.len += 1;
        }
        found.exponent = exponent;
        found
    }

    /// Java compares decimals of two digits where one digit would do, and takes the closest:
    /// `4.9E-324`, not `5.0E-324`.
    fn at_least_two(self, reads_back: impl Fn(&str) -> bool, value: f64) -> Self {
        if 1 < self.len {
            return self;
        }
        // One digit with an exponent near zero is exact; the search below is for the extremes.
        if (-20..=20).contains(&self.exponent) {
            return self;
        }
        let mut text = String::with_capacity(16);
        write!(text, "{value:.1e}").expect("writing to a string succeeds");
        if reads_back(&text) { Self::read(&text) } else { self }
    }
}

/// Strict integer text as `Integer.parseInt` takes it, within `bits` (8, 16, 32 or 64): an optional
/// sign and decimal digits of any script; no blanks. `None` if it is anything else or out of range.
pub fn parse_int(text: &str, bits: u32) -> Option<i64> {
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
        let digit = i64::from(decimal_digit(c)?);
        // Counted downwards, since the smallest number has no positive counterpart.
        number = number.checked_mul(10)?.checked_sub(digit)?;
    }
    let number = if negative { number } else { number.checked_neg()? };
    let spare = 64 - bits.clamp(1, 64);
    (number << spare >> spare == number).then_some(number)
}

/// The value of a decimal digit of any script, as `Character.digit(c, 10)`; only the basic plane,
/// since Java's number parsers look at UTF-16 units.
pub fn decimal_digit(c: char) -> Option<u8> {
    if c.is_ascii_digit() {
        return Some(c as u8 - b'0');
    }
    /// First digit of each run of ten in Unicode's category Nd below U+10000.
    const ZEROS: [u16; 37] = [
        0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
        0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
        0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0xFFFF,
    ];
    let code = u16::try_from(u32::from(c)).ok()?;
    let run = ZEROS.partition_point(|&zero| zero <= code).checked_sub(1)?;
    let digit = code - ZEROS[run];
    (digit < 10 && ZEROS[run] != 0xFFFF).then_some(digit as u8)
}

/// Text as `Double.parseDouble` takes it: surrounding blanks (up to U+0020), a sign, decimal or
/// hexadecimal form, a trailing `f`, `F`, `d` or `D`, `NaN`, `Infinity`. Overflow gives an infinity,
/// underflow zero. `None` for anything else.
pub fn parse_java_double(text: &str) -> Option<f64> {
    match JavaFloat::read(text)? {
        JavaFloat::Special(value) => Some(value),
        JavaFloat::Decimal { negative, text } => {
            let value: f64 = text.parse().ok()?;
            Some(if negative { -value } else { value })
        }
        JavaFloat::Hex { negative, mantissa, sticky, exponent } => {
            let value = round_binary(mantissa, sticky, exponent, 53, -1074, 1023);
            Some(if negative { -value } else { value })
        }
    }
}

/// Text as `Float.parseFloat` takes it, rounded once; see [`parse_java_double`].
pub fn parse_java_float(text: &str) -> Option<f32> {
    match JavaFloat::read(text)? {
        JavaFloat::Special(value) => Some(value as f32),
        JavaFloat::Decimal { negative, text } => {
            let value: f32 = text.parse().ok()?;
            Some(if negative { -value } else { value })
        }
        JavaFloat::Hex { negative, mantissa, sticky, exponent } => {
            // Already rounded to a float's precision, so that narrowing is exact.
            let value = round_binary(mantissa, sticky, exponent, 24, -149, 127) as f32;
            Some(if negative { -value } else { value })
        }
    }
}

enum JavaFloat<'a> {
    Special(f64),
    Decimal { negative: bool, text: &'a str },
    Hex { negative: bool, mantissa: u64, sticky: bool, exponent: i64 },
}

impl<'a> JavaFloat<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let text = java_trim(text);
        let (negative, body) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        match body {
            "NaN" => return Some(Self::Special(f64::NAN)),
            "Infinity" => return Some(Self::Special(if negative { f64::NEG_INFINITY } else { f64::INFINITY })),
            _ => {}
        }
        if let Some(hex) = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
            return Self::read_hex(negative, hex);
        }
        let digits = body.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(body);
        is_decimal_literal(digits).then_some(Self::Decimal { negative, text: digits })
    }

    /// `HexDigits? . HexDigits? p SignedInteger [fFdD]?`; the exponent is required.
    fn read_hex(negative: bool, text: &str) -> Option<Self> {
        let (digits, exponent) = text.split_once(['p', 'P'])?;
        let exponent = exponent.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(exponent);
        let (mut mantissa, mut sticky, mut shift) = (0u64, false, 0i64);
        let (mut point_seen, mut any) = (false, false);
        for byte in digits.bytes() {
            if byte == b'.' {
                if point_seen {
                    return None;
                }
                point_seen = true;
                continue;
            }
            let digit = u64::from((byte as char).to_digit(16)?);
            any = true;
            if mantissa >> 60 == 0 {
                mantissa = mantissa << 4 | digit;
                shift -= if point_seen { 4 } else { 0 };
            } else {
                sticky |= digit != 0;
                shift += if point_seen { 0 } else { 4 };
            }
        }
        let (sign, size) = match exponent.as_bytes().first()? {
            b'-' => (-1, &exponent[1..]),
            b'+' => (1, &exponent[1..]),
            _ => (1, exponent),
        };
        if !any || size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        // An exponent beyond 64 bits has the effect of the largest one.
        let size = size.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        Some(Self::Hex { negative, mantissa, sticky, exponent: sign * size + shift })
    }
}

/// Digits with at most one point and at least one digit, then an optional exponent; ASCII only.
fn is_decimal_literal(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let points = mantissa.bytes().filter(|&byte| byte == b'.').count();
    let exponent_fits = exponent.is_none_or(|exponent| {
        let size = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit())
    });
    0 < digits && points <= 1 && digits + points == mantissa.len() && exponent_fits
}

/// `mantissa × 2^exponent` rounded half to even to `precision` bits, not finer than `2^smallest`.
fn round_binary(mantissa: u64, sticky: bool, exponent: i64, precision: i64, smallest: i64, largest: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let bits = 64 - i64::from(mantissa.leading_zeros());
    let top = exponent + bits - 1;
    if largest < top {
        return f64::INFINITY;
    }
    if top < smallest - 1 {
        return 0.0;
    }
    let drop = (bits - precision).max(smallest - exponent);
    let (mut kept, mut scale) = (mantissa, exponent);
    if 0 < drop {
        let lost = if 64 <= drop { mantissa } else { mantissa & ((1 << drop) - 1) };
        kept = if 64 <= drop { 0 } else { mantissa >> drop };
        let half = 1u64 << (drop - 1).min(63);
        let up = if 64 < drop { false } else { half < lost || half == lost && (sticky || kept & 1 == 1) };
        kept += u64::from(up);
        scale += drop;
    }
    // `kept` has at most 53 significant bits and the scale is in range: multiplying by powers of two is exact.
    let mut value = kept as f64;
    while scale < 0 {
        let step = scale.max(-1000);
        value *= 2f64.powi(step as i32);
        scale -= step;
    }
    while 0 < scale {
        let step = scale.min(1000);
        value *= 2f64.powi(step as i32);
        scale -= step;
    }
    // Rounding up at the top of a float's range passes its largest number.
    if largest < 1023 && 2f64.powi(largest as i32 + 1) <= value { f64::INFINITY } else { value }
}

/// The text without leading and trailing characters up to U+0020, as `String.trim`.
pub fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// Whether the text begins with an ASCII name in any case.
pub(crate) fn starts_with_ignoring_case(text: &str, name: &str) -> bool {
    text.as_bytes().get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_with_few_decimals_have_the_text_that_the_search_finds() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 11
        };
        let mut few = 0;
        for _ in 0..200_000 {
            let decimals = next() % 9;
            let value = (next() % 20_000_000_000) as f64 / 10_f64.powi(decimals as i32);
            for value in [value, -value, f64::from_bits(value.to_bits() + 1), f64::from_bits(next() << 11)] {
                let mut bytes = Vec::new();
                few += u32::from(write_few_decimals(&mut bytes, value));
                bytes.clear();
                write_f64_bytes(&mut bytes, value);
                assert_eq!(String::from_utf8_lossy(&bytes), f64_text(value));
            }
        }
        assert!(100_000 < few);
    }

    #[test]
    fn doubles_are_written_as_java_19_does() {
        for (value, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.001, "0.001"),
            (5e-4, "5.0E-4"),
            (9999999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12345678.9, "1.23456789E7"),
            (1.1, "1.1"),
            (100.0, "100.0"),
            (1e21, "1.0E21"),
            (2e-3, "0.002"),
            (123.456, "123.456"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (2e23, "2.0E23"),
            (8.41e21, "8.41E21"),
            (9.007199254740992e15, "9.007199254740992E15"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(f64_text(value), text);
        }
    }

    #[test]
    fn floats_are_written_as_java_19_does() {
        for (value, text) in [
            (1.1f32, "1.1"),
            (f32::MAX, "3.4028235E38"),
            (1e-45, "1.4E-45"),
            (1.2345679, "1.2345679"),
            (-3.3e10, "-3.3E10"),
            (0.5, "0.5"),
            (16777216.0, "1.6777216E7"),
        ] {
            assert_eq!(f32_text(value), text);
        }
    }

    #[test]
    fn integers_are_read_strictly() {
        assert_eq!(parse_int("127", 8), Some(127));
        assert_eq!(parse_int("128", 8), None);
        assert_eq!(parse_int("-128", 8), Some(-128));
        assert_eq!(parse_int("+5", 8), Some(5));
        assert_eq!(parse_int("9223372036854775807", 64), Some(i64::MAX));
        assert_eq!(parse_int("-9223372036854775808", 64), Some(i64::MIN));
        assert_eq!(parse_int("9223372036854775808", 64), None);
        assert_eq!(parse_int("٣", 32), Some(3));
        for text in ["", " 1", "1 ", "1.5", "-", "+", "--1", "1_0", "0x1"] {
            assert_eq!(parse_int(text, 64), None, "{text:?}");
        }
    }

    #[test]
    fn doubles_are_read_as_java_does() {
        for (text, value) in [
            (" 1e3\t", 1000.0),
            ("1.", 1.0),
            (".5f", 0.5),
            ("-1d", -1.0),
            ("0x1p3", 8.0),
            ("0x.8p1D", 1.0),
            ("0x1.fffffffffffff8p1023", f64::INFINITY),
            ("0x1.fffffffffffff7p1023", f64::MAX),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", 5e-324),
            ("0x1p-99999999999999999999", 0.0),
            ("1e400", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse_java_double(text), Some(value), "{text:?}");
        }
        assert!(parse_java_double("+NaN").is_some_and(f64::is_nan));
        for text in ["", " ", "nan", "inf", "1e", "0x1", "1ff", ".", "1 2", "e5", "0xp1", "infinity", "NaNf", "١"] {
            assert_eq!(parse_java_double(text), None, "{text:?}");
        }
    }

    #[test]
    fn floats_are_rounded_only_once() {
        assert_eq!(parse_java_float("1.00000017881393432617187499"), Some(1.0000001));
        assert_eq!(parse_java_float("0x1.fffffep127"), Some(f32::MAX));
        assert_eq!(parse_java_float("0x1.ffffffp127"), Some(f32::INFINITY));
        assert_eq!(parse_java_float("1e39"), Some(f32::INFINITY));
        assert_eq!(parse_java_float("0x1p-149"), Some(1e-45));
    }

    proptest::proptest! {
        #[test]
        fn every_double_reads_back_from_its_text(bits: u64) {
            let value = f64::from_bits(bits);
            let read = parse_java_double(&f64_text(value)).expect("our own text parses");
            proptest::prop_assert!(read.to_bits() == value.to_bits() || value.is_nan() && read.is_nan());
        }

        #[test]
        fn reading_numbers_is_total(text in "[-+0-9.eExXpPdfNaN ]{0,24}") {
            let _ = (parse_java_double(&text), parse_java_float(&text), parse_int(&text, 32));
        }
    }
}
