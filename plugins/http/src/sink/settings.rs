//! What a sink does, whatever the keys are called that say so.

use std::time::Duration;

use millstream_sdk::values::JavaRegex;

use crate::{
    json::Decimals,
    retry::{Policy, Statuses},
    template::Template,
};

/// Everything that a task has to know.
#[derive(Debug)]
pub struct Settings {
    pub url: Template,
    pub method: String,
    pub content_type: Option<String>,
    pub text: RecordText,
    pub batches: Batches,
    pub nulls: OnNull,
    /// Deletions wait for the records before them.
    pub deletes_in_order: bool,
    pub errors: OnError,
    /// Statuses that are no failure.
    pub good: Statuses,
    /// Statuses after which a request is sent again.
    pub retried: Statuses,
    pub retries: Policy,
    /// A batch that is refused for good is sent in halves, down to the records at fault.
    pub splits: bool,
    /// JSON pointer to a list in a refusal that says which records are at fault.
    pub faults: Option<String>,
    pub in_flight: usize,
    /// Shortest time between the beginnings of two requests.
    pub interval: Duration,
    pub dialect: Dialect,
    pub reports: Reports,
}

/// What is written to topics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reports {
    /// Answers of requests that were taken.
    pub results: Option<ReportFormat>,
    /// Why records were refused.
    pub errors: Option<ReportFormat>,
    /// The value of an error is the answer alone.
    pub as_response: bool,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportFormat {
    Json,
    Text,
}

/// How a record becomes text.
#[derive(Debug)]
pub struct RecordText {
    pub format: Format,
    pub decimals: Decimals,
    pub regexes: Vec<(JavaRegex, Template)>,
    /// What stands for each record, if it is not its value.
    pub template: Option<Template>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// As Java prints it.
    Java,
    /// As JSON.
    Json,
    /// Texts as they are, everything else as JSON: Aiven's way.
    TextOrJson,
}

/// What one request has.
#[derive(Clone, Debug)]
pub struct Batches {
    pub max: usize,
    /// Records that differ in this go in different requests.
    pub key: Template,
    pub prefix: String,
    pub suffix: String,
    pub separator: String,
}

/// What happens to a record without a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnNull {
    Ignore,
    Delete,
    Log,
    Fail,
}

/// What happens to a record that is refused for good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnError {
    /// The error policy of the task decides.
    Fail,
    Ignore,
    Log,
}

/// In whose words failures are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    Confluent,
    Aiven,
}
