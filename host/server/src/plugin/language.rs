//! The languages and kinds of plugins that there are SDKs and templates for.

use clap::ValueEnum;

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Language {
    /// Rust
    Rust,
    /// Python
    Python,
    /// TypeScript
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    /// JavaScript
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    /// Go
    Go,
    /// C
    C,
}

impl Language {
    /// Its name on the command line and in `millstream.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::TypeScript => "typescript",
            Self::JavaScript => "javascript",
            Self::Go => "go",
            Self::C => "c",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::TypeScript => "TypeScript",
            Self::JavaScript => "JavaScript",
            Self::Go => "Go",
            Self::C => "C",
        }
    }

    /// The language with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|language| language.name() == name)
    }

    /// The folder of its SDK below `sdk`.
    pub fn sdk(self) -> &'static str {
        match self {
            Self::JavaScript => "typescript",
            other => other.name(),
        }
    }

    /// The folder of its templates in that of its SDK.
    pub fn templates(self) -> &'static str {
        match self {
            Self::JavaScript => "template-javascript",
            _ => "template",
        }
    }

    /// Words that mean something else to its tools where a project's name is used as an identifier.
    pub fn reserved(self) -> &'static [&'static str] {
        match self {
            Self::Rust => &[
                "abstract",
                "alloc",
                "as",
                "async",
                "await",
                "become",
                "box",
                "break",
                "const",
                "continue",
                "core",
                "crate",
                "do",
                "dyn",
                "else",
                "enum",
                "extern",
                "false",
                "final",
                "fn",
                "for",
                "gen",
                "if",
                "impl",
                "in",
                "let",
                "loop",
                "macro",
                "match",
                "mod",
                "move",
                "mut",
                "override",
                "priv",
                "proc-macro",
                "pub",
                "ref",
                "return",
                "self",
                "static",
                "std",
                "struct",
                "super",
                "test",
                "trait",
                "true",
                "try",
                "type",
                "typeof",
                "unsafe",
                "unsized",
                "use",
                "virtual",
                "where",
                "while",
                "yield",
                "build",
                "deps",
                "examples",
                "incremental",
                "millstream-sdk",
                "millstream-record",
                "millstream-values",
            ],
            Self::Python => &[
                "and",
                "as",
                "assert",
                "async",
                "await",
                "break",
                "class",
                "continue",
                "def",
                "del",
                "elif",
                "else",
                "except",
                "finally",
                "for",
                "from",
                "global",
                "if",
                "import",
                "in",
                "is",
                "lambda",
                "match",
                "nonlocal",
                "not",
                "or",
                "pass",
                "raise",
                "return",
                "try",
                "type",
                "while",
                "with",
                "yield",
                "app",
                "bundle",
                "wit-world",
                "componentize-py",
                "millstream",
                "millstream-sdk",
                "test",
                "tests",
                "sys",
                "os",
                "json",
                "io",
                "re",
                "types",
                "typing",
                "time",
                "string",
                "struct",
                "random",
                "logging",
                "abc",
                "collections",
                "dataclasses",
                "enum",
                "functools",
                "datetime",
                "decimal",
            ],
            Self::TypeScript | Self::JavaScript => &["node-modules", "favicon-ico", "millstream", "millstream-sdk"],
            Self::Go => &[
                "break",
                "case",
                "chan",
                "const",
                "continue",
                "default",
                "defer",
                "else",
                "fallthrough",
                "for",
                "func",
                "go",
                "goto",
                "if",
                "import",
                "interface",
                "internal",
                "main",
                "map",
                "package",
                "range",
                "return",
                "select",
                "struct",
                "switch",
                "type",
                "var",
                "vendor",
                "testdata",
            ],
            Self::C => &[
                "auto",
                "bool",
                "break",
                "case",
                "char",
                "const",
                "continue",
                "default",
                "do",
                "double",
                "else",
                "enum",
                "extern",
                "float",
                "for",
                "goto",
                "if",
                "inline",
                "int",
                "long",
                "main",
                "register",
                "restrict",
                "return",
                "short",
                "signed",
                "sizeof",
                "static",
                "struct",
                "switch",
                "typedef",
                "union",
                "unsigned",
                "void",
                "volatile",
                "while",
                "millstream",
                "bundle",
            ],
        }
    }
}

/// What a plugin is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Kind {
    /// A connector that reads from somewhere
    Source,
    /// A connector that writes to somewhere
    Sink,
    /// Changes records
    Transform,
    /// Chooses records
    Predicate,
    /// Turns bytes into data and back
    Converter,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Transform => "transform",
            Self::Predicate => "predicate",
            Self::Converter => "converter",
        }
    }

    /// What its class names end with.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Source => "Source",
            Self::Sink => "Sink",
            Self::Converter => "Converter",
            Self::Transform | Self::Predicate => "",
        }
    }
}
