//! Java's regular expressions from configurations, on text from anywhere.

use millstream_values::JavaRegex;

use super::parts::parts;

/// Inputs that reach most of the code: a pattern, a text, a replacement.
pub const SEEDS: &[&[u8]] = &[
    b"(\\w+)-(\\d{2,3})\xff\xffab-123\xff\xff$2_$1",
    b"(?i)(?<name>[a-z&&[^b]]+)\\k<name>(?=x)\xff\xffacACx\xff\xff${name}\\$",
    b"^(?:a|ab)*+(?>c|cd)?$\xff\xffaabc\n",
    b"(?mdux)\\bfoo # note\\R\\h*\\Q.*\\E$\xff\xfffoo\r\n .*",
    b"(?<=ab{1,3})c(?!d)|[\\p{Lu}\\P{IsGreek}\\uFFF0-\\x{1F600}]\xff\xffabbc\xf0\x9f\x98\x80",
    b"(a*)*(a*)*(a*)*c\xff\xffaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    b"((x)|(y))+?\\1\\2\\3*\xff\xffxyxy\xff\xff$1$2$3$4",
];

/// Pieces of such inputs.
pub const TOKENS: &[&str] = &[
    "(", ")", "(?:", "(?i)", "(?<=", "(?!", "(?>", "(?<n>", "\\k<n>", "[", "]", "[^", "&&", "a-z", "*", "+", "?", "*+",
    "+?", "{2,}", "{1,3}", "|", "^", "$", ".", "\\b", "\\B", "\\R", "\\Q", "\\E", "\\p{L}", "\\1", "\\x{41}",
    "\u{300}", "a", "\n", "$1", "${n}", "\\",
];

/// Steps of one search, so that hopeless ones end soon.
const STEPS: u64 = 50_000;

/// Compiles and matches in every way. True if the pattern is one.
pub fn java_regex(bytes: &[u8]) -> bool {
    let [pattern, text, replacement] = parts::<3>(bytes).map(String::from_utf8_lossy);
    let Ok(regex) = JavaRegex::compile(&pattern) else { return false };
    let regex = regex.limited(STEPS);
    // What takes too many steps ends with an error, and would each time.
    let Ok(found) = regex.find(&text) else { return true };
    if let Some(groups) = &found {
        assert_eq!(groups.len(), regex.group_count() + 1);
        for (start, end) in groups.iter().flatten() {
            assert!(start <= end && text.get(*start..*end).is_some(), "{pattern:?} on {text:?} finds {groups:?}");
        }
    }
    let whole = regex.matches_whole(&text);
    if found.is_none() {
        assert_ne!(whole, Ok(true), "{pattern:?} covers {text:?} and is not found in it");
        assert_eq!(regex.replace_first(&text, &replacement).as_deref(), Ok(&*text));
    }
    let _ = regex.replace_first(&text, &replacement);
    let _ = regex.replace_all(&text, &replacement);
    true
}
