//! The SDKs and templates inside of this binary, packed by `sdks.rs` of the build script.

use std::io::Read;

use flate2::read::GzDecoder;

use super::language::Language;

/// What the build has packed.
struct Embedded {
    sdks: &'static [(&'static str, &'static [u8])],
    templates: &'static [u8],
}

static EMBEDDED: Embedded = include!(concat!(env!("OUT_DIR"), "/sdks.rs"));

/// A file with its path, which has `/` between its parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    pub path: String,
    pub content: Vec<u8>,
}

/// The SDK of a language with the contract, as it lies below `.millstream`; `None` if this build has none for it.
pub fn sdk(language: Language) -> Option<Vec<File>> {
    let (_, packed) = EMBEDDED.sdks.iter().find(|(folder, _)| *folder == language.sdk())?;
    Some(unpacked(packed))
}

/// The files of a template, with their paths in the project to be; none if there is no such template.
pub fn template(language: Language, kind: &str) -> Vec<File> {
    let folder = format!("sdk/{}/{}/{kind}/", language.sdk(), language.templates());
    let below = |file: File| Some(File { path: file.path.strip_prefix(&folder)?.to_owned(), content: file.content });
    unpacked(EMBEDDED.templates).into_iter().filter_map(below).collect()
}

/// The build has packed them itself, so that nothing in them can be wrong.
fn unpacked(packed: &[u8]) -> Vec<File> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).expect("the build has packed the files");
    let mut rest = &bytes[..];
    let mut files = Vec::new();
    while !rest.is_empty() {
        let path = String::from_utf8(part(&mut rest).to_vec()).expect("paths are UTF-8");
        files.push(File { path, content: part(&mut rest).to_vec() });
    }
    files
}

fn part<'b>(rest: &mut &'b [u8]) -> &'b [u8] {
    let (len, behind) = rest.split_first_chunk::<4>().expect("a length is in front of each part");
    let (part, behind) = behind.split_at(u32::from_le_bytes(*len) as usize);
    *rest = behind;
    part
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::plugin::language::Kind;

    #[test]
    fn each_language_has_its_sdk_the_contract_and_a_template_of_each_kind() {
        for &language in Language::value_variants() {
            let files = sdk(language).unwrap_or_else(|| panic!("no SDK for {}", language.name()));
            let has = |path: &str| files.iter().any(|file| file.path == path);
            assert!(has("wit/millstream-connect@0.1.0/connect.wit"), "{}", language.name());
            assert!(has(&format!("sdk/{}/README.md", language.sdk())), "{}", language.name());
            for &kind in Kind::value_variants() {
                let files = template(language, kind.name());
                let has = |path: &str| files.iter().any(|file| file.path == path);
                assert!(has("README.md"), "{} {}", language.name(), kind.name());
                // These are written for every language alike.
                for path in ["millstream.json", ".gitignore"] {
                    assert!(!has(path), "{path} of {} {}", language.name(), kind.name());
                }
                let left = |file: &File| file.path.contains("/target/") || file.path.contains("node_modules/");
                assert!(!files.iter().any(left), "{} {}", language.name(), kind.name());
            }
        }
    }
}
