//! What came out: a table by file, the cases that failed, and the last line that scripts read.

use std::fmt::Write;

use crate::{FileResult, NotYet};

/// The report for people.
pub fn text(results: &[FileResult], not_yet: &NotYet, verbose: bool) -> String {
    let mut out = String::new();
    let width = results.iter().map(|result| result.file.len()).max().unwrap_or(0).max(7);
    let mut line = |args: std::fmt::Arguments<'_>| writeln!(out, "{args}").expect("writing to a text cannot fail");
    line(format_args!("{:width$}  passed  failed  total", "subject"));
    for FileResult { file, total, failed } in results {
        let note = if not_yet.contains(file) { "  (not yet)" } else { "" };
        line(format_args!("{file:width$}  {:6}  {:6}  {total:5}{note}", total - failed.len(), failed.len()));
    }
    line(format_args!(""));
    for FileResult { file, failed, .. } in results.iter().filter(|result| verbose || !not_yet.contains(&result.file)) {
        for case in failed {
            line(format_args!("FAILED {file}: {}", case.name));
            if verbose {
                case.difference.lines().for_each(|text| line(format_args!("    {text}")));
            }
        }
    }
    verdict(results, not_yet).iter().for_each(|problem| line(format_args!("{problem}")));
    let failed: usize = results.iter().map(|result| result.failed.len()).sum();
    let passed = results.iter().map(|result| result.total).sum::<usize>() - failed;
    line(format_args!("{passed} passed, {failed} failed"));
    out
}

/// What keeps the run from being a success: files that fail without being on the list, and files on the list that
/// hold or are not there.
pub fn verdict(results: &[FileResult], not_yet: &NotYet) -> Vec<String> {
    let mut problems = Vec::new();
    for FileResult { file, failed, total } in results {
        match (failed.len(), not_yet.contains(file)) {
            (0, true) => problems.push(format!("{file} holds: take it off the list of what does not yet")),
            (0, false) | (_, true) => {}
            (failed, false) => problems.push(format!("{file}: {failed} of {total} cases failed")),
        }
    }
    let unknown = not_yet.iter().filter(|name| results.iter().all(|result| result.file != *name));
    problems.extend(
        unknown.map(|name| format!("{name} is on the list of what does not hold yet, but there is no such file")),
    );
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failed;

    fn result(file: &str, failed: usize) -> FileResult {
        let failed = (0..failed).map(|at| Failed { name: at.to_string(), difference: String::new() }).collect();
        FileResult { file: file.to_owned(), total: 3, failed }
    }

    fn list(names: &str) -> NotYet {
        let file = std::env::temp_dir().join(format!("conformance-{}-{}", std::process::id(), names.len()));
        std::fs::write(&file, names).expect("written");
        let list = NotYet::read(&file).expect("read");
        std::fs::remove_file(&file).expect("removed");
        list
    }

    #[test]
    fn a_file_on_the_list_may_fail_and_must_not_hold() {
        assert_eq!(verdict(&[result("a", 0), result("b", 2)], &list("b")), Vec::<String>::new());
        assert_eq!(verdict(&[result("a", 1)], &NotYet::default()), ["a: 1 of 3 cases failed"]);
        assert_eq!(verdict(&[result("b", 0)], &list(" b")).len(), 1);
        assert_eq!(verdict(&[result("a", 0)], &list("gone ")).len(), 1);
    }

    #[test]
    fn the_last_line_counts_all_cases() {
        let text = text(&[result("a", 0), result("b", 2)], &list("b  "), false);
        assert_eq!(text.lines().last(), Some("4 passed, 2 failed"));
    }
}
