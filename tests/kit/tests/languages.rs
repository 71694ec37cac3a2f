//! Every scenario with the guest of every language.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness::skip;
use kit::cannot;
use kit::guests::{LANGUAGES, Language, Missing};
use kit::table::{Cell, Results};
use millstream_record::ErrorChain;
use millstream_scenario::{Engine, FileReport, Mode};

/// Rounds of repeated steps, unless `MILLSTREAM_KIT_CALLS` says otherwise: the files ask for 100,000.
const CALLS: u32 = 2_000;

fn required() -> bool {
    std::env::var("MILLSTREAM_REQUIRE_PEERS").as_deref() == Ok("1")
}

/// The languages to run, by their names in `MILLSTREAM_KIT_LANGUAGES`; all if it is not set.
fn chosen() -> Vec<&'static Language> {
    let names = std::env::var("MILLSTREAM_KIT_LANGUAGES").ok();
    let is_chosen = |language: &&Language| {
        names.as_deref().is_none_or(|names| names.split(',').any(|name| name.trim() == language.name))
    };
    LANGUAGES.iter().filter(is_chosen).collect()
}

#[tokio::test]
async fn every_language_passes_the_same_scenarios() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let calls = std::env::var("MILLSTREAM_KIT_CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(CALLS);
    let mut results = Results::default();
    let mut unusable = Vec::new();
    for language in chosen() {
        let component = match language.build(&workspace, Path::new(env!("CARGO_TARGET_TMPDIR"))) {
            Ok(component) => component,
            Err(Missing::Build(said)) => {
                unusable.push(format!("{} does not build:\n{said}", language.name));
                continue;
            }
            Err(Missing::Tools(reason)) => {
                assert!(!required(), "{} is required: {reason}", language.name);
                skip(&format!("{}: {reason}", language.name));
                continue;
            }
            Err(Missing::Project(folder)) => {
                assert!(!required(), "{} is required: there is no {}", language.name, folder.display());
                skip(&format!("{}: there is no {}", language.name, folder.display()));
                continue;
            }
        };
        let engine = match kit::engine(&component, Some(calls)).await {
            Ok(engine) => engine,
            Err(error) => {
                unusable.push(format!("{}: {}", language.name, ErrorChain(&error)));
                continue;
            }
        };
        let cells = all(&engine, language, &mut results).await;
        results.languages.insert(language.name.to_owned(), cells);
    }
    println!("{}", results.text());
    assert!(unusable.is_empty(), "{}", unusable.join("\n"));
    assert_eq!(results.wrong(), 0, "what came otherwise stands below the table");
}

async fn all(engine: &Engine, language: &Language, results: &mut Results) -> BTreeMap<String, Cell> {
    let cannot = cannot::read(kit::folder(), language.name).unwrap_or_else(|error| panic!("{error}"));
    let mut cells = BTreeMap::new();
    for file in kit::scenario_files() {
        let report = engine.run_file(&file, Mode::Check, &|_| true).await;
        let report: FileReport = report.unwrap_or_else(|error| panic!("{}", ErrorChain(&error)));
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for scenario in report.scenarios {
            let key = (name.clone(), scenario.name.clone());
            if !results.scenarios.contains(&key) {
                results.scenarios.push(key);
            }
            let cell = match (scenario.difference, cannot.get(&scenario.name)) {
                (None, None) => Cell::Passed,
                (None, Some(_)) => Cell::CanAfterAll,
                (Some(_), Some(reason)) => Cell::Cannot(reason.clone()),
                (Some(difference), None) => {
                    let place = format!("{}:{}", file.display(), difference.line);
                    let text = difference.text.replace('\n', "\n    ");
                    Cell::Failed(format!("    {place}: {}\n    {text}", difference.step))
                }
            };
            cells.insert(scenario.name, cell);
        }
    }
    cells
}

#[tokio::test]
async fn scenarios_have_names_of_their_own_and_whatever_cannot_be_done_is_one_of_them() {
    let mut names = BTreeSet::new();
    for file in kit::scenario_files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let read = millstream_scenario::names(&text).unwrap_or_else(|error| panic!("{}:{error}", file.display()));
        for name in read {
            assert!(names.insert(name.clone()), "two scenarios go by the name {name:?}");
        }
    }
    assert!(60 <= names.len(), "there are {} scenarios", names.len());
    for language in LANGUAGES {
        for name in cannot::read(kit::folder(), language.name).unwrap().into_keys() {
            assert!(names.contains(&name), "{} cannot do {name:?}, which is no scenario", language.name);
        }
    }
}
