//! The names in `\p{…}`.

use crate::regex_class::CharSet;

/// The set that a family name stands for, or Java's message.
pub(crate) fn family(name: &str, case_insensitive: bool, unicode_class: bool) -> Result<CharSet, String> {
    if let Some((key, value)) = name.split_once('=') {
        let found = match key.to_ascii_lowercase().as_str() {
            "sc" | "script" => script(value),
            "blk" | "block" => return Err(no_blocks(name)),
            "gc" | "general_category" => category(value, case_insensitive),
            _ => None,
        };
        return found.ok_or_else(|| format!("Unknown Unicode property {{name=<{key}>, value=<{value}>}}"));
    }
    if name.starts_with("In") {
        return Err(no_blocks(name));
    }
    if let Some(rest) = name.strip_prefix("Is") {
        return binary(rest, case_insensitive)
            .or_else(|| category(rest, case_insensitive))
            .or_else(|| script(rest))
            .ok_or_else(|| format!("Unknown character property name {{{name}}}"));
    }
    if unicode_class && let Some(set) = posix_unicode(name, case_insensitive) {
        return Ok(set);
    }
    if name == "javaMirrored" {
        return Err("\\p{javaMirrored} is not supported".to_owned());
    }
    category(name, case_insensitive)
        .or_else(|| posix(name, case_insensitive))
        .or_else(|| java(name, case_insensitive))
        .ok_or_else(|| format!("Unknown character property name {{{name}}}"))
}

fn no_blocks(name: &str) -> String {
    format!("Unicode blocks are not supported: {{{name}}}")
}

fn any_of(names: &[&str]) -> CharSet {
    CharSet::AnyOf(names.iter().map(|name| CharSet::property(name)).collect())
}

/// All three cases of letters, which case-insensitive matching does not tell apart.
fn cased() -> CharSet {
    any_of(&["Lu", "Ll", "Lt"])
}

fn script(name: &str) -> Option<CharSet> {
    CharSet::lookup(&format!("sc={name}"))
}

/// General categories by their short names, which are case-sensitive, and Java's additions to them.
fn category(name: &str, case_insensitive: bool) -> Option<CharSet> {
    const KNOWN: [&str; 36] = [
        "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Co",
        "Pd", "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf", "L", "M", "N", "Z", "P", "S", "C",
    ];
    match name {
        // Surrogates cannot occur in our texts.
        "Cs" => Some(CharSet::AnyOf(Vec::new())),
        "LC" => Some(cased()),
        "LD" => Some(any_of(&["L", "Nd"])),
        "L1" => Some(CharSet::Range('\0', '\u{ff}')),
        "all" => Some(CharSet::any()),
        "Lu" | "Ll" | "Lt" if case_insensitive => Some(cased()),
        _ => KNOWN.contains(&name).then(|| CharSet::property(name)),
    }
}

fn posix(name: &str, case_insensitive: bool) -> Option<CharSet> {
    let range = CharSet::Range;
    let letters = || CharSet::AnyOf(vec![range('a', 'z'), range('A', 'Z')]);
    Some(match name {
        "ASCII" => range('\0', '\u{7f}'),
        "Alnum" => CharSet::AnyOf(vec![letters(), range('0', '9')]),
        "Alpha" => letters(),
        "Blank" => CharSet::of(" \t"),
        "Cntrl" => CharSet::AnyOf(vec![range('\0', '\u{1f}'), range('\u{7f}', '\u{7f}')]),
        "Digit" => range('0', '9'),
        "Graph" => range('!', '~'),
        "Lower" if case_insensitive => letters(),
        "Upper" if case_insensitive => letters(),
        "Lower" => range('a', 'z'),
        "Upper" => range('A', 'Z'),
        "Print" => range(' ', '~'),
        "Punct" => CharSet::AnyOf(vec![range('!', '/'), range(':', '@'), range('[', '`'), range('{', '~')]),
        "Space" => CharSet::space(false),
        "XDigit" => CharSet::AnyOf(vec![range('0', '9'), range('a', 'f'), range('A', 'F')]),
        _ => return None,
    })
}

/// POSIX names under `(?U)`, in any case.
fn posix_unicode(name: &str, case_insensitive: bool) -> Option<CharSet> {
    let property = match name.to_ascii_uppercase().as_str() {
        "ALPHA" => "ALPHABETIC",
        "LOWER" => "LOWERCASE",
        "UPPER" => "UPPERCASE",
        "SPACE" => "WHITE_SPACE",
        "PUNCT" => "PUNCTUATION",
        "XDIGIT" => "HEX_DIGIT",
        "ALNUM" => "ALNUM",
        "CNTRL" => "CONTROL",
        "DIGIT" => "DIGIT",
        "BLANK" => "BLANK",
        "GRAPH" => "GRAPH",
        "PRINT" => "PRINT",
        _ => return None,
    };
    binary(property, case_insensitive)
}

/// Binary properties, in any case.
fn binary(name: &str, case_insensitive: bool) -> Option<CharSet> {
    Some(match name.to_ascii_uppercase().as_str() {
        "LOWERCASE" | "UPPERCASE" | "TITLECASE" if case_insensitive => any_of(&["Lowercase", "Uppercase", "Lt"]),
        "ALPHABETIC" => CharSet::property("Alphabetic"),
        "LETTER" => CharSet::property("L"),
        "IDEOGRAPHIC" => CharSet::property("Ideographic"),
        "LOWERCASE" => CharSet::property("Lowercase"),
        "UPPERCASE" => CharSet::property("Uppercase"),
        "TITLECASE" => CharSet::property("Lt"),
        "WHITE_SPACE" | "WHITESPACE" => CharSet::property("White_Space"),
        "CONTROL" => CharSet::property("Cc"),
        "PUNCTUATION" => CharSet::property("P"),
        "HEX_DIGIT" | "HEXDIGIT" => hex_digit(),
        "ASSIGNED" => CharSet::property("Cn").negate(),
        "NONCHARACTER_CODE_POINT" | "NONCHARACTERCODEPOINT" => CharSet::property("Noncharacter_Code_Point"),
        "DIGIT" => CharSet::property("Nd"),
        "ALNUM" => any_of(&["Alphabetic", "Nd"]),
        "BLANK" => blank(),
        "GRAPH" => graph(),
        "PRINT" => CharSet::AnyOf(vec![graph(), blank()]).intersect(CharSet::property("Cc").negate()),
        "WORD" => CharSet::word(true),
        "JOIN_CONTROL" | "JOINCONTROL" => CharSet::property("Join_Control"),
        "EMOJI" => CharSet::property("Emoji"),
        "EMOJI_PRESENTATION" => CharSet::property("Emoji_Presentation"),
        "EMOJI_MODIFIER" => CharSet::property("Emoji_Modifier"),
        "EMOJI_MODIFIER_BASE" => CharSet::property("Emoji_Modifier_Base"),
        "EMOJI_COMPONENT" => CharSet::property("Emoji_Component"),
        "EXTENDED_PICTOGRAPHIC" => CharSet::property("Extended_Pictographic"),
        _ => return None,
    })
}

fn hex_digit() -> CharSet {
    let range = CharSet::Range;
    let wide = [range('\u{ff10}', '\u{ff19}'), range('\u{ff21}', '\u{ff26}'), range('\u{ff41}', '\u{ff46}')];
    let mut sets = vec![CharSet::property("Nd"), range('a', 'f'), range('A', 'F')];
    sets.extend(wide);
    CharSet::AnyOf(sets)
}

fn blank() -> CharSet {
    CharSet::AnyOf(vec![CharSet::property("Zs"), CharSet::Range('\t', '\t')])
}

fn graph() -> CharSet {
    any_of(&["Z", "White_Space", "Cc", "Cn", "Co"]).negate().intersect(any_of(&["L", "M", "N", "P", "S", "Cf"]))
}

/// The tests of `java.lang.Character`.
fn java(name: &str, case_insensitive: bool) -> Option<CharSet> {
    let ignorable = || {
        let range = CharSet::Range;
        let controls = [range('\0', '\u{8}'), range('\u{e}', '\u{1b}'), range('\u{7f}', '\u{9f}')];
        CharSet::AnyOf(controls.into_iter().chain([CharSet::property("Cf")]).collect())
    };
    Some(match name.strip_prefix("java")? {
        "LowerCase" | "UpperCase" | "TitleCase" if case_insensitive => any_of(&["Lowercase", "Uppercase", "Lt"]),
        "LowerCase" => CharSet::property("Lowercase"),
        "UpperCase" => CharSet::property("Uppercase"),
        "Alphabetic" => CharSet::property("Alphabetic"),
        "Ideographic" => CharSet::property("Ideographic"),
        "TitleCase" => CharSet::property("Lt"),
        "Digit" => CharSet::property("Nd"),
        "Defined" => CharSet::property("Cn").negate(),
        "Letter" => CharSet::property("L"),
        "LetterOrDigit" => any_of(&["L", "Nd"]),
        "JavaIdentifierStart" => any_of(&["L", "Nl", "Sc", "Pc"]),
        "JavaIdentifierPart" => CharSet::union(Some(any_of(&["L", "Nl", "Sc", "Pc", "Nd", "Mc", "Mn"])), ignorable()),
        "UnicodeIdentifierStart" => CharSet::property("ID_Start"),
        "UnicodeIdentifierPart" => CharSet::union(Some(CharSet::property("ID_Continue")), ignorable()),
        "IdentifierIgnorable" => ignorable(),
        "SpaceChar" => CharSet::property("Z"),
        "Whitespace" => {
            let no_break = CharSet::of("\u{a0}\u{2007}\u{202f}").negate();
            let spaces = CharSet::property("Z").intersect(no_break);
            CharSet::AnyOf(vec![spaces, CharSet::Range('\t', '\r'), CharSet::Range('\u{1c}', '\u{1f}')])
        }
        "ISOControl" => CharSet::AnyOf(vec![CharSet::Range('\0', '\u{1f}'), CharSet::Range('\u{7f}', '\u{9f}')]),
        _ => return None,
    })
}
