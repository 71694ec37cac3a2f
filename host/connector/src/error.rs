//! How a plugin fails: in its own words, or by breaking.

use std::fmt;

/// What kind of failure a plugin reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// Trying again later may succeed: Connect's RetriableException.
    Retriable,
    /// The record is at fault: DataException.
    Data,
    /// The configuration is at fault: ConfigException.
    Config,
    /// Anything else: ConnectException.
    Fatal,
}

impl ErrorKind {
    /// The Java class shown when the plugin names none.
    pub fn java_class(self) -> &'static str {
        match self {
            Self::Retriable => "org.apache.kafka.connect.errors.RetriableException",
            Self::Data => "org.apache.kafka.connect.errors.DataException",
            Self::Config => "org.apache.kafka.common.config.ConfigException",
            Self::Fatal => "org.apache.kafka.connect.errors.ConnectException",
        }
    }
}

/// A failure in somebody's own words, with the Java class that Connect users know it by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// Decides what follows: another try, the error policy, or the end of the task.
    pub kind: ErrorKind,
    /// Java exception class, never empty.
    pub class: String,
    /// In the words of who failed, for people.
    pub message: String,
    /// What led to it, outermost first; each as `class: message` or plain text.
    pub causes: Vec<String>,
    /// Where it happened and what to do about it, as the trace shows it: `field customer.age`.
    pub at: Option<String>,
}

impl Failure {
    /// A failure without causes; an empty class is derived from the kind.
    pub fn new(kind: ErrorKind, class: &str, message: impl Into<String>) -> Self {
        let class = if class.is_empty() { kind.java_class() } else { class };
        Self { kind, class: class.to_owned(), message: message.into(), causes: Vec::new(), at: None }
    }

    /// The trace as Connect's status shows it: `class: message`, in place of Java's frames a line that
    /// says where, then `Caused by:` lines.
    pub fn trace(&self) -> String {
        let mut text = format!("{}: {}\n", self.class, self.message);
        if let Some(at) = &self.at {
            text.push_str("\tat ");
            text.push_str(at);
            text.push('\n');
        }
        for cause in &self.causes {
            text.push_str("Caused by: ");
            text.push_str(cause);
            text.push('\n');
        }
        text
    }

    /// The failure as the cause of another: puts `class: message`, and where that happened, in front of the causes.
    pub fn caused(self, kind: ErrorKind, class: &str, message: impl Into<String>) -> Self {
        let mut outer = Self::new(kind, class, message);
        let at = self.at.map(|at| format!("\n\tat {at}")).unwrap_or_default();
        outer.causes.push(format!("{}: {}{at}", self.class, self.message));
        outer.causes.extend(self.causes);
        outer
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Why a call into a plugin did not succeed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PluginError {
    /// The plugin's own words. The instance is sound.
    #[error("{0}")]
    Reported(Failure),
    /// The plugin broke: a trap, a limit, a deadline, or an answer against the contract. The
    /// instance has been discarded.
    #[error("{plugin} {reason}")]
    Broken {
        /// Class name of the plugin.
        plugin: String,
        /// What it did, as the rest of a sentence: `used more than 256 MiB of memory (…)`.
        reason: String,
    },
    /// The worker has no memory left for another instance of the plugin.
    #[error("{plugin} {reason}")]
    NoRoom {
        /// Class name of the plugin.
        plugin: String,
        /// What was not there, and the key that decides about it, as the rest of a sentence.
        reason: String,
    },
    /// The worker asked for the end while the call was under way.
    #[error("the call was cancelled")]
    Cancelled,
}

impl PluginError {
    /// The failure to show to users.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Reported(failure) => failure.clone(),
            other => Failure::new(ErrorKind::Fatal, "", other.to_string()),
        }
    }

    /// Whether trying again later may succeed.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Reported(failure) if failure.kind == ErrorKind::Retriable)
    }
}

/// The failure of one row of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RowError {
    /// Row of the batch passed to the call.
    pub row: u32,
    /// Which link of a chain failed; 0 elsewhere.
    pub link: u32,
    /// What the plugin says, for the error policy and the dead-letter headers.
    pub failure: Failure,
    /// Path of the field at fault, which the failure's `at` shows.
    pub field: Option<String>,
}
