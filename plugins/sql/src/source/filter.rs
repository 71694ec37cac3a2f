//! Which of the tables that a database has are copied, and by which tasks.

use std::{collections::BTreeMap, sync::Arc};

use millstream_sdk::{Error, Result, values::JavaRegex};

use super::columns::regex;
use crate::{
    dialect::{Dialect, Quoting, Spelling},
    table_name::TableName,
};

/// Lists of tables, as configured.
#[derive(Clone, Debug, Default)]
pub struct TableFilter {
    whitelist: Vec<String>,
    blacklist: Vec<String>,
    include: Vec<Arc<JavaRegex>>,
    exclude: Vec<Arc<JavaRegex>>,
}

impl TableFilter {
    /// Both kinds of lists; at most one kind is in use.
    ///
    /// # Errors
    ///
    /// One of the latter is no regular expression.
    pub fn new(whitelist: Vec<String>, blacklist: Vec<String>, include: &[String], exclude: &[String]) -> Result<Self> {
        let compile = |patterns: &[String]| patterns.iter().map(|pattern| regex(pattern)).collect::<Result<Vec<_>>>();
        Ok(Self { whitelist, blacklist, include: compile(include)?, exclude: compile(exclude)? })
    }

    /// Whether a table is copied.
    ///
    /// # Errors
    ///
    /// A regular expression takes too long over its name.
    pub fn accepts(&self, table: &TableName, dialect: Dialect) -> Result<bool> {
        if !self.include.is_empty() || !self.exclude.is_empty() {
            let name = table.to_string();
            let any = |patterns: &[Arc<JavaRegex>]| -> Result<bool> {
                for pattern in patterns {
                    if pattern.matches_whole(&name)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            };
            return Ok((self.include.is_empty() || any(&self.include)?) && !any(&self.exclude)?);
        }
        let quoted = table.spelled(Spelling { dialect, quoting: Quoting::Always }).unwrap_or_default();
        let named = |list: &[String]| {
            list.iter().any(|entry| *entry == table.to_string() || *entry == quoted || entry == table.table())
        };
        Ok(match (self.whitelist.is_empty(), self.blacklist.is_empty()) {
            (false, _) => named(&self.whitelist),
            (true, false) => !named(&self.blacklist),
            (true, true) => true,
        })
    }

    /// Those of the tables that are copied, in the order given.
    ///
    /// # Errors
    ///
    /// Two of them would write into one topic.
    pub fn select(&self, tables: Vec<TableName>, dialect: Dialect) -> Result<Vec<TableName>> {
        let mut selected = Vec::with_capacity(tables.len());
        for table in tables {
            if self.accepts(&table, dialect)? {
                selected.push(table);
            }
        }
        let mut by_name: BTreeMap<&str, Vec<&TableName>> = BTreeMap::new();
        selected.iter().for_each(|table| by_name.entry(table.table()).or_default().push(table));
        let twice: Vec<String> =
            by_name.values().filter(|same| 1 < same.len()).flatten().map(ToString::to_string).collect();
        if !twice.is_empty() {
            return Err(Error::config(format!(
                "The connector uses the unqualified table name as the topic name and has detected duplicate unqualified table names. \
                 This could lead to mixed data types in the topic and downstream processing errors. To prevent such processing errors, \
                 use a table filter or schema.pattern so that only one of these is copied: [{}]",
                twice.join(", ")
            )));
        }
        Ok(selected)
    }
}

/// Tables in order, in at most so many groups: contiguous, the first of them one longer where it does not divide evenly.
pub fn grouped<T: Clone>(tables: &[T], max_groups: usize) -> Vec<Vec<T>> {
    let groups = tables.len().min(max_groups).max(1);
    let (size, longer) = (tables.len() / groups, tables.len() % groups);
    let mut rest = tables;
    (0..groups)
        .map(|group| {
            let (taken, left) = rest.split_at(size + usize::from(group < longer));
            rest = left;
            taken.to_vec()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(white: &[&str], black: &[&str], include: &[&str], exclude: &[&str]) -> TableFilter {
        let owned = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        TableFilter::new(owned(white), owned(black), &owned(include), &owned(exclude)).expect("lists")
    }

    #[track_caller]
    fn check(filter: &TableFilter, accepted: &[&str]) {
        let all = ["public.a", "public.b", "other.c"];
        let table = |name: &&str| TableName::parse(name, Dialect::PostgreSql).expect("a name");
        let found = filter.select(all.iter().map(table).collect(), Dialect::PostgreSql).expect("no doubles");
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), accepted);
    }

    #[test]
    fn lists_name_tables_in_full_with_quotes_or_by_their_own_names() {
        check(&filter(&[], &[], &[], &[]), &["public.a", "public.b", "other.c"]);
        check(&filter(&["a", "\"other\".\"c\"", "B"], &[], &[], &[]), &["public.a", "other.c"]);
        check(&filter(&["public.b"], &["public.b"], &[], &[]), &["public.b"]);
        check(&filter(&[], &["a", "other.c"], &[], &[]), &["public.b"]);
    }

    #[test]
    fn regular_expressions_match_full_names() {
        check(&filter(&[], &[], &["public\\..*", "c"], &["public.a"]), &["public.b"]);
        check(&filter(&[], &[], &[".*"], &[]), &["public.a", "public.b", "other.c"]);
    }

    #[test]
    fn two_tables_for_one_topic_are_refused() {
        let table = |schema| TableName::new(None, Some(schema), "t");
        let error = filter(&[], &[], &[], &[]).select(vec![table("a"), table("b")], Dialect::PostgreSql);
        let error = error.expect_err("twice").message;
        assert!(error.starts_with("The connector uses the unqualified table name as the topic name"), "{error}");
        assert!(error.ends_with("[a.t, b.t]"), "{error}");
        assert!(filter(&["a.t"], &[], &[], &[]).select(vec![table("a"), table("b")], Dialect::PostgreSql).is_ok());
    }

    #[test]
    fn groups_are_contiguous_and_the_first_are_longer() {
        assert_eq!(grouped(&[1, 2, 3, 4, 5, 6, 7], 3), [vec![1, 2, 3], vec![4, 5], vec![6, 7]]);
        assert_eq!(grouped(&[1, 2], 5), [vec![1], vec![2]]);
        assert_eq!(grouped::<i32>(&[], 5), [Vec::<i32>::new()]);
    }
}
