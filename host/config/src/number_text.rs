//! Numbers as Java reads and prints them in configurations.

/// Reads what `Integer.parseInt` and `Long.parseLong` read, within the given range.
pub(crate) fn parse_integer(text: &str, min: i64, max: i64) -> Option<i64> {
    // Rust's grammar for signed decimals is Java's: an optional sign and at least one digit.
    let number: i64 = text.parse().ok()?;
    (min..=max).contains(&number).then_some(number)
}

/// Reads what `Double.parseDouble` reads, except hexadecimal floating point.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" if negative => return Some(f64::NEG_INFINITY),
        "Infinity" => return Some(f64::INFINITY),
        _ => {}
    }
    let digits = unsigned.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(unsigned);
    // Rust also reads `inf` and `nan`, which Java refuses; both would have to begin with a letter.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let magnitude: f64 = digits.parse().ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

/// Prints like `Double.toString`: at least one decimal, scientific below 10⁻³ and from 10⁷ on.
pub(crate) fn double_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number < 0.0 { "-Infinity" } else { "Infinity" }.to_owned();
    }
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').expect("scientific format has an exponent");
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_with_a_sign_and_within_their_type() {
        assert_eq!(parse_integer("+7", i64::MIN, i64::MAX), Some(7));
        assert_eq!(parse_integer("-0", i64::MIN, i64::MAX), Some(0));
        assert_eq!(parse_integer("2147483648", i32::MIN.into(), i32::MAX.into()), None);
        assert_eq!(parse_integer("1.0", i64::MIN, i64::MAX), None);
        assert_eq!(parse_integer("", i64::MIN, i64::MAX), None);
    }

    #[test]
    fn doubles_follow_javas_grammar() {
        assert_eq!(parse_double("1.5f"), Some(1.5));
        assert_eq!(parse_double("-.5e1"), Some(-5.0));
        assert_eq!(parse_double("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_double("inf"), None);
        assert_eq!(parse_double("nan"), None);
        assert_eq!(parse_double("--1"), None);
        assert_eq!(parse_double(""), None);
    }

    #[test]
    fn doubles_are_printed_like_javas() {
        assert_eq!(double_text(0.8), "0.8");
        assert_eq!(double_text(1.0), "1.0");
        assert_eq!(double_text(1e7), "1.0E7");
        assert_eq!(double_text(0.00015), "1.5E-4");
        assert_eq!(double_text(-0.0), "-0.0");
    }
}
