//! One configuration key.

use std::ops::{Bound, RangeBounds};

use super::{ConfigValue, Validator};

/// The type of a key's values, as in Kafka's ConfigDef.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyType {
    /// Text, trimmed.
    String,
    /// Text that is never shown.
    Password,
    /// `true` or `false`, in any case.
    Boolean,
    /// 16-bit integer.
    Short,
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    Long,
    /// Floating-point number.
    Double,
    /// Texts separated by commas.
    List,
    /// Name of a class or plugin.
    Class,
}

impl KeyType {
    /// Name in the description and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Password => "PASSWORD",
            Self::Boolean => "BOOLEAN",
            Self::Short => "SHORT",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
        }
    }
}

/// How much a key matters to a user.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Importance {
    /// Hardly any use without it.
    High,
    /// Worth knowing.
    #[default]
    Medium,
    /// For special cases.
    Low,
}

impl Importance {
    /// Name in the description.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// How wide a field a user interface gives the value.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Width {
    /// Not said.
    #[default]
    None,
    /// A number or a word.
    Short,
    /// A few words.
    Medium,
    /// A line.
    Long,
}

impl Width {
    /// Name in the description.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Short => "SHORT",
            Self::Medium => "MEDIUM",
            Self::Long => "LONG",
        }
    }
}

/// What the value of a key opens for the plugin.
///
/// A plugin reaches nothing outside by itself. It gets what the user's configuration names under keys
/// that say so, as far as the worker allows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opens(pub(crate) Opened);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opened {
    File {
        append: bool,
        or_stream: bool,
    },
    /// With the roles of other keys: see `description.md` beside the contract.
    Http {
        is_list: bool,
        with: &'static [(&'static str, &'static str)],
    },
    Socket,
    Sql {
        user: Option<&'static str>,
        password: Option<&'static str>,
        properties: Option<&'static str>,
    },
    /// With what it is called unless set, and the key of its replication factor.
    Topic {
        default: &'static str,
        replication: &'static str,
    },
}

impl Opens {
    /// The file that the value names, for reading.
    pub fn read_file() -> Self {
        Self(Opened::File { append: false, or_stream: false })
    }

    /// The file that the value names, created if missing, for reading and for writing at its end.
    pub fn append_file() -> Self {
        Self(Opened::File { append: true, or_stream: false })
    }

    /// The server that the value names as a URL, for [`http`](crate::http). Placeholders may stand behind its host.
    ///
    /// `with` gives roles to other keys, such as `("password", "connection.password")`: `description.md` beside the
    /// contract lists them. A role that several keys have is written several times. The plugin reads `[hidden]` where the
    /// value is a secret, and the host adds it to the requests.
    pub fn http_url(with: &'static [(&'static str, &'static str)]) -> Self {
        Self(Opened::Http { is_list: false, with })
    }

    /// The servers that the value lists as origins or patterns of them, as [`Opens::http_url`].
    pub fn http_origins(with: &'static [(&'static str, &'static str)]) -> Self {
        Self(Opened::Http { is_list: true, with })
    }

    /// The topic that the value names, for a sink to [write](crate::SinkContext::write) to; `default` if the key is not
    /// set, in which `${connector}` stands for the connector's name. `replication` is the key of its replication factor.
    pub fn topic(default: &'static str, replication: &'static str) -> Self {
        Self(Opened::Topic { default, replication })
    }

    /// The servers that the value names as `host:port`, for TCP connections through WASI's sockets. A worker allows none
    /// by itself.
    pub fn socket() -> Self {
        Self(Opened::Socket)
    }

    /// The database that the value names as a JDBC URL.
    pub fn sql() -> Self {
        Self(Opened::Sql { user: None, password: None, properties: None })
    }

    /// The key whose value is the database's user.
    ///
    /// # Panics
    ///
    /// For a file, as in the two below.
    #[must_use]
    pub fn user(mut self, key: &'static str) -> Self {
        let Opened::Sql { user, .. } = &mut self.0 else { panic!("a file has no user") };
        *user = Some(key);
        self
    }

    /// The key whose value is the user's password, which the plugin does not see.
    #[must_use]
    pub fn password(mut self, key: &'static str) -> Self {
        let Opened::Sql { password, .. } = &mut self.0 else { panic!("a file has no password") };
        *password = Some(key);
        self
    }

    /// What keys begin with whose rest is the name of a parameter of the URL, unless the plugin defines them.
    #[must_use]
    pub fn properties(mut self, prefix: &'static str) -> Self {
        let Opened::Sql { properties, .. } = &mut self.0 else { panic!("a file has no properties") };
        *properties = Some(prefix);
        self
    }

    /// The worker's standard input where the value is missing or empty.
    ///
    /// # Panics
    ///
    /// If it is not a file for reading.
    #[must_use]
    pub fn or_stdin(self) -> Self {
        assert!(matches!(self.0, Opened::File { append: false, .. }), "standard input can only be read");
        Self(Opened::File { append: false, or_stream: true })
    }

    /// The worker's standard output where the value is missing or empty.
    ///
    /// # Panics
    ///
    /// If it is not a file for writing.
    #[must_use]
    pub fn or_stdout(self) -> Self {
        assert!(self.is_append(), "standard output can only be written");
        Self(Opened::File { append: true, or_stream: true })
    }

    /// Whether it is a file that is written rather than read.
    pub fn is_append(self) -> bool {
        matches!(self.0, Opened::File { append: true, .. })
    }

    /// Whether a missing value stands for the standard stream.
    pub fn is_or_stream(self) -> bool {
        matches!(self.0, Opened::File { or_stream: true, .. })
    }
}

/// Declares a key. A key that is neither [`Key::required`] nor given a default is null when unset.
///
/// ```
/// use millstream_sdk::config::{Importance, Key, Opens};
///
/// Key::string("file")
///     .doc("File to read; standard input if it is missing.")
///     .importance(Importance::High)
///     .opens(Opens::read_file().or_stdin());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Key {
    pub(crate) name: String,
    pub(crate) kind: KeyType,
    pub(crate) required: bool,
    pub(crate) default: Option<String>,
    pub(crate) importance: Importance,
    pub(crate) doc: String,
    pub(crate) group: Option<String>,
    pub(crate) order: i32,
    pub(crate) width: Width,
    pub(crate) display_name: Option<String>,
    pub(crate) dependents: Vec<String>,
    pub(crate) recommended: Vec<String>,
    pub(crate) validator: Option<Validator>,
    pub(crate) check: Option<Check>,
    pub(crate) opens: Option<Opens>,
}

/// A check that only the plugin can make; says what is wrong.
pub(crate) type Check = fn(&ConfigValue) -> Result<(), String>;

impl Key {
    fn new(name: &str, kind: KeyType) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            required: false,
            default: None,
            importance: Importance::default(),
            doc: String::new(),
            group: None,
            order: -1,
            width: Width::default(),
            display_name: None,
            dependents: Vec::new(),
            recommended: Vec::new(),
            validator: None,
            check: None,
            opens: None,
        }
    }

    /// A key for text.
    pub fn string(name: &str) -> Self {
        Self::new(name, KeyType::String)
    }

    /// A key for text that is never shown.
    pub fn password(name: &str) -> Self {
        Self::new(name, KeyType::Password)
    }

    /// A key for `true` or `false`.
    pub fn boolean(name: &str) -> Self {
        Self::new(name, KeyType::Boolean)
    }

    /// A key for a 16-bit integer.
    pub fn short(name: &str) -> Self {
        Self::new(name, KeyType::Short)
    }

    /// A key for a 32-bit integer.
    pub fn int(name: &str) -> Self {
        Self::new(name, KeyType::Int)
    }

    /// A key for a 64-bit integer.
    pub fn long(name: &str) -> Self {
        Self::new(name, KeyType::Long)
    }

    /// A key for a floating-point number.
    pub fn double(name: &str) -> Self {
        Self::new(name, KeyType::Double)
    }

    /// A key for texts separated by commas.
    pub fn list(name: &str) -> Self {
        Self::new(name, KeyType::List)
    }

    /// A key for the name of a class or plugin.
    pub fn class(name: &str) -> Self {
        Self::new(name, KeyType::Class)
    }

    /// The key must be set.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The value if the key is not set, as a user would write it.
    pub fn default(mut self, value: impl ToString) -> Self {
        self.default = Some(value.to_string());
        self
    }

    /// How much the key matters; medium if not said.
    pub fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    /// What the key does, in a sentence or two.
    pub fn doc(mut self, doc: &str) -> Self {
        self.doc = doc.to_owned();
        self
    }

    /// Heading under which user interfaces show the key, and its place there.
    pub fn group(mut self, group: &str, order: i32) -> Self {
        self.group = Some(group.to_owned());
        self.order = order;
        self
    }

    /// How wide a field user interfaces give the value.
    pub fn width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }

    /// Name for people; the key itself if not said.
    pub fn display_name(mut self, name: &str) -> Self {
        self.display_name = Some(name.to_owned());
        self
    }

    /// Keys whose meaning depends on this one.
    pub fn dependents(mut self, keys: &[&str]) -> Self {
        self.dependents = keys.iter().map(|&key| key.to_owned()).collect();
        self
    }

    /// Values that user interfaces offer.
    pub fn recommended(mut self, values: &[&str]) -> Self {
        self.recommended = values.iter().map(|&value| value.to_owned()).collect();
        self
    }

    /// What values are accepted; the host checks it before the plugin is started.
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Text that is not empty: [`Validator::NonEmpty`].
    pub fn non_empty(self) -> Self {
        self.validator(Validator::NonEmpty)
    }

    /// Integers within a range: `1..`, `0..=100`. For other numbers there is [`Validator::Range`].
    pub fn range(self, range: impl RangeBounds<i32>) -> Self {
        let min = match range.start_bound() {
            Bound::Included(&min) => Some(f64::from(min)),
            Bound::Excluded(&below) => Some(f64::from(below) + 1.0),
            Bound::Unbounded => None,
        };
        let max = match range.end_bound() {
            Bound::Included(&max) => Some(f64::from(max)),
            Bound::Excluded(&above) => Some(f64::from(above) - 1.0),
            Bound::Unbounded => None,
        };
        self.validator(Validator::Range { min, max })
    }

    /// Lists with at least one item, none of them empty or given twice.
    pub fn non_empty_list(self) -> Self {
        self.validator(Validator::non_empty_list())
    }

    /// One of these texts exactly.
    pub fn one_of(self, values: &[&str]) -> Self {
        self.validator(Validator::OneOf(values.iter().map(|&value| value.to_owned()).collect()))
    }

    /// A further check of the parsed value, in the plugin's own code. Its text says what is wrong
    /// and is shown as `Invalid value … for configuration …: <text>`.
    ///
    /// The host runs it through a connector's `validate`, and every plugin runs it when it starts.
    pub fn check(mut self, check: fn(&ConfigValue) -> Result<(), String>) -> Self {
        self.check = Some(check);
        self
    }

    /// What the value opens for the plugin.
    pub fn opens(mut self, opens: Opens) -> Self {
        self.opens = Some(opens);
        self
    }
}
