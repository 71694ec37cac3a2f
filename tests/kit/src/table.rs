//! The table of languages and scenarios.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What became of a scenario in a language.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cell {
    /// It came as expected.
    Passed,
    /// It came otherwise: where, and in how far.
    Failed(String),
    /// It came otherwise, which the language cannot help.
    Cannot(String),
    /// The language is said to be unable, and it came as expected.
    CanAfterAll,
}

impl Cell {
    fn mark(&self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed(_) => "FAILS",
            Self::Cannot(_) => "cannot",
            Self::CanAfterAll => "can!",
        }
    }
}

/// Results by file and scenario, in their order, and by language.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// File and name of each scenario.
    pub scenarios: Vec<(String, String)>,
    /// Cells of each language, by the names of scenarios.
    pub languages: BTreeMap<String, BTreeMap<String, Cell>>,
}

impl Results {
    /// The whole table, and below it what failed and what cannot be done.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |text: &str| writeln!(out, "{}", text.trim_end()).expect("writing to a text cannot fail");
        let widest = self.scenarios.iter().map(|(_, name)| name.chars().count()).max().unwrap_or(0);
        let cells = |of: &mut dyn Iterator<Item = String>| of.map(|cell| format!("{cell:<12}")).collect::<String>();
        line(&format!("{:<widest$}  {}", "scenario", cells(&mut self.languages.keys().cloned())));
        let mut file = "";
        for (of, name) in &self.scenarios {
            if of != file {
                line(&format!("[{of}]"));
                file = of;
            }
            let marks = self.languages.values().map(|cells| cells.get(name).map_or("-", Cell::mark).to_owned());
            line(&format!("{name:<widest$}  {}", cells(&mut { marks })));
        }
        for (language, cells) in &self.languages {
            let count = |wanted: &str| cells.values().filter(|cell| cell.mark() == wanted).count();
            line(&format!(
                "{language}: {} of {} as expected, {} cannot be done, {} otherwise",
                count("ok"),
                cells.len(),
                count("cannot"),
                count("FAILS") + count("can!"),
            ));
        }
        for (language, cells) in &self.languages {
            for (name, cell) in cells {
                match cell {
                    Cell::Passed => {}
                    Cell::Cannot(reason) => line(&format!("{language} cannot: {name}: {reason}")),
                    Cell::Failed(text) => line(&format!("{language} FAILS: {name}\n{text}")),
                    Cell::CanAfterAll => {
                        line(&format!("{language} can after all: {name}: take it out of cannot/{language}.txt"));
                    }
                }
            }
        }
        out
    }

    /// How many scenarios came otherwise than they should.
    pub fn wrong(&self) -> usize {
        let cells = self.languages.values().flat_map(BTreeMap::values);
        cells.filter(|cell| matches!(cell, Cell::Failed(_) | Cell::CanAfterAll)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_column_for_each_language() {
        let cells =
            |cells: &[(&str, Cell)]| cells.iter().map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect();
        let results = Results {
            scenarios: vec![("f".to_owned(), "one".to_owned()), ("f".to_owned(), "three".to_owned())],
            languages: [
                ("c".to_owned(), cells(&[("one", Cell::Passed), ("three", Cell::Cannot("why".to_owned()))])),
                ("go".to_owned(), cells(&[("one", Cell::Failed("  there".to_owned()))])),
            ]
            .into(),
        };
        let expected = "\
scenario  c           go
[f]
one    ok          FAILS
three  cannot      -
c: 1 of 2 as expected, 1 cannot be done, 0 otherwise
go: 0 of 1 as expected, 0 cannot be done, 1 otherwise
c cannot: three: why
go FAILS: one
  there
";
        assert_eq!(results.text(), expected);
        assert_eq!(results.wrong(), 1);
    }
}
