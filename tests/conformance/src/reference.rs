//! Reference pages of transforms, predicates and converters: their keys as they declare them, and examples that are run
//! through the components while the page is made.

mod converters;
mod examples;
mod show;
mod transforms;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use millstream_config::{ConfigDef, PluginDefs, PluginKind, reference_page};
use millstream_connector::Failure;
use serde_json::{Map, Value as Json};

pub use examples::PagesError;

use crate::Runner;
use crate::compare::simple;
use examples::{Example, Examples};
use show::code_cell;

/// What of a text the machine decides; ends with a line.
const MACHINE: &str = "\
    Of the machine, the time zone alone shows in text, as in Connect. The worker's is the one that `TZ` names: a zone below \
    `/usr/share/zoneinfo` (`Europe/Berlin`, with or without `:` before it), an offset with Java's sign (`GMT+5:30`), or a \
    POSIX rule (`CET-1CEST,M3.5.0,M10.5.0/3`); without `TZ` it is the one that `/etc/localtime` holds, without that UTC. A zone \
    that is not found is `GMT`, and the log warns of it at the start. In it are\n\n\
    * dates as Java shows them, `Mon Jul 01 13:04:05 CEST 2024`: in what `StringConverter` and `FileStreamSink` write, also \
    within structs, maps and lists, and in messages,\n\
    * dates in headers and of a `Cast` to `string`, and dates that are read from text by `SimpleHeaderConverter` and \
    `InsertHeader`: `2024-07-01T13:04:05.006Z`, whose `Z` is a letter there and does not mean UTC.\n\n\
    The patterns of `TimestampConverter` and `TimestampRouter` are in UTC always. Zones are called what the system's \
    time zone data call them, and `GMT+04:00` where these have numbers only, as in a JVM since 23; older JVMs have names \
    of their own for some (`GST` in Dubai). A JVM keeps only the present offset of a POSIX rule, here the rule holds all \
    year. Before 1900 a zone has its present standard time, as in Java. Names of months and days are English, and text is \
    UTF-8, whatever the machine's locale is.\n";

/// Pages by their file below the workspace.
pub async fn pages(runner: &Runner) -> Result<Vec<(&'static str, String)>, PagesError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut page = "# Transforms and predicates\n\n\
        What stands below *before* and *after* is made by the transforms themselves. A record's parts that are not shown \
        are kept as they are. Schemas are written in a line: `string?` is an optional string, `= \"x\"` a default, `{…}` \
        a struct, `[…]` an array, `{… → …}` a map. Data without a schema has none.\n\n"
        .to_owned();
    page.push_str(MACHINE);
    page.push_str(
        "\nMessages in the tables of errors come from one of two places: the connector's configuration is refused when it is \
        validated or created, or a record fails. A record that fails ends the task, or is left out with \
        `errors.tolerance=all`; the trace also says which record it was.\n",
    );
    for (kind, examples) in [(PluginKind::Transform, "transforms"), (PluginKind::Predicate, "predicates")] {
        let mut examples = examples::read(&folder.join(examples))?;
        let mut seen: Vec<(String, ConfigDef)> = Vec::new();
        for plugin in runner.directory.of_kind(kind) {
            // The classes for keys and values have one section.
            let class = plugin.class.replace("$Key", "").replace("$Value", "");
            if seen.iter().any(|(known, def)| *known == class && *def == plugin.config) {
                continue;
            }
            let sides = if class == plugin.class { "" } else { ", as `$Key` and `$Value`" };
            section(&mut page, &class, &format!("`{class}`{sides}. {}", plugin.documentation), &plugin.config);
            let own = take(&mut examples, &class)?;
            notes(&mut page, &own);
            transforms::section(&mut page, runner, &own, kind == PluginKind::Predicate)
                .await
                .map_err(|problem| PagesError::Class { class: class.clone(), problem })?;
            seen.push((class, plugin.config.clone()));
        }
        all_taken(examples)?;
    }
    Ok(vec![("transforms/reference.md", page), ("host/convert/reference.md", converter_page(&folder).await?)])
}

async fn converter_page(folder: &Path) -> Result<String, PagesError> {
    let mut page = "# Converters\n\n\
        What stands in the tables is made by the converters themselves: the bytes that a value becomes on its way into a \
        topic, and what these bytes are read as on their way out. Schemas are written in a line: `string?` is an optional \
        string, `= \"x\"` a default, `{…}` a struct, `[…]` an array, `{… → …}` a map. Bytes that are no text stand as \
        hexadecimal digits.\n\n"
        .to_owned();
    page.push_str(MACHINE);
    let mut examples = examples::read(&folder.join("converters"))?;
    for definition in millstream_convert::definitions() {
        let role = if definition.converts_data { "Keys, values and headers" } else { "Headers" };
        let introduction = format!("`{}`. {role}. {}", definition.class, definition.documentation);
        let config = millstream_convert::config_def(definition.class).unwrap_or_default();
        section(&mut page, definition.class, &introduction, &config);
        let own = take(&mut examples, definition.class)?;
        notes(&mut page, &own);
        converters::section(&mut page, &own)
            .await
            .map_err(|problem| PagesError::Class { class: definition.class.to_owned(), problem })?;
    }
    all_taken(examples)?;
    Ok(page)
}

fn take(examples: &mut BTreeMap<String, Examples>, class: &str) -> Result<Examples, PagesError> {
    examples.remove(class).ok_or_else(|| PagesError::Class {
        class: class.to_owned(),
        problem: "there are no examples of this class".to_owned(),
    })
}

fn all_taken(examples: BTreeMap<String, Examples>) -> Result<(), PagesError> {
    match examples.into_keys().next() {
        Some(class) => Err(PagesError::Class { class, problem: "there are examples, but no such class".to_owned() }),
        None => Ok(()),
    }
}

fn section(page: &mut String, class: &str, introduction: &str, config: &ConfigDef) {
    let title = class.rsplit('.').next().unwrap_or(class);
    page.push('\n');
    if config.keys().is_empty() {
        page.push_str(&format!("## {title}\n\n{introduction}\n\nIt has no keys.\n"));
    } else {
        page.push('#');
        page.push_str(&reference_page(title, introduction, config));
    }
}

fn notes(page: &mut String, examples: &Examples) {
    if let Some(notes) = &examples.notes {
        line(page, format_args!("\n{notes}"));
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("writing to a text cannot fail");
}

/// A title, and the lines of a configuration: all, or what an example sets where the rest has just been shown.
fn head(page: &mut String, examples: &Examples, example: &Example, shown: &mut Option<Map<String, Json>>) {
    line(page, format_args!("\n**{}**", example.text("title").unwrap_or("Example")));
    let config = examples.config(example);
    if shown.as_ref() == Some(&config) {
        return;
    }
    let set = example.get("set").as_object().filter(|_| shown.is_some() && !example.get("config").is_object());
    page.push_str("\n```properties\n");
    for (key, value) in set.unwrap_or(&config) {
        // A backslash stands for itself only as a pair.
        let value = value.as_str().unwrap_or_default().replace('\\', "\\\\");
        line(page, format_args!("{key}={value}"));
    }
    page.push_str("```\n");
    *shown = Some(config);
}

/// The lines that an example sets, without what all keys of a transform or converter begin with.
fn lines_set(example: &Example) -> Option<String> {
    let set = example.get("set").as_object()?;
    let line = |(key, value): (&String, &Json)| {
        // `transforms.cast.`, `value.converter.`
        let short = key.splitn(3, '.').nth(2).unwrap_or(key);
        code_cell(&format!("{short}={}", value.as_str().unwrap_or_default()))
    };
    Some(set.iter().map(line).collect::<Vec<_>>().join("<br>"))
}

/// What a user sees of a failure: class and message, where, and what led to it.
fn failure_cell(failure: &Failure) -> String {
    let mut text = code_cell(&format!("{}: {}", simple(&failure.class), failure.message));
    if let Some(at) = &failure.at {
        text.push_str("<br>at ");
        text.push_str(&code_cell(at));
    }
    // A task that does not start wraps what a transform says word for word.
    for cause in failure.causes.iter().filter(|cause| !cause.ends_with(&failure.message)) {
        text.push_str("<br>caused by ");
        text.push_str(&code_cell(cause));
    }
    text
}

/// The head of a table of errors, which follow as `row`s.
fn error_head(page: &mut String) {
    page.push_str("\n**Errors**\n\n| When | With | Seen | Message |\n|---|---|---|---|\n");
}
