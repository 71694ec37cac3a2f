//! Neighbouring transforms of one component, run in one call.

use std::borrow::Cow;

use crate::{
    Error, Records, Result, RowError, Verdict,
    batch::{Table, bits},
    component::{AnyPredicate, AnyTransform, Component, Made, make},
    config::ConfigMap,
};

/// A transform with its place in the chain.
struct Link {
    transform: Box<dyn AnyTransform>,
    condition: Option<Condition>,
}

/// Where a transform is applied.
struct Condition {
    predicate: Box<dyn AnyPredicate>,
    negate: bool,
}

/// What a link of a chain is to be made of.
#[derive(Clone, Debug)]
pub struct LinkSpec {
    /// Class of the transform.
    pub class: String,
    /// Its configuration.
    pub config: ConfigMap,
    /// Class and configuration of the predicate, and whether the transform is applied where it is
    /// false.
    pub condition: Option<(String, ConfigMap, bool)>,
}

/// What a chain made of a batch: the batch if it was changed, and the rows that failed, each with the
/// link it failed in.
pub type Applied<'a> = (Option<Table<'a>>, Vec<(u32, RowError)>);

/// Transforms that run one after the other over each batch.
pub struct Chain(Vec<Link>);

impl Chain {
    /// The chain with all its transforms and predicates configured.
    ///
    /// # Errors
    ///
    /// The link at fault and what is wrong with it.
    pub fn create<C: Component>(specs: &[LinkSpec]) -> Result<Self, (u32, Error)> {
        let link = |spec: &LinkSpec| -> Result<Link> {
            let configure = make::<C, _>(&spec.class, |made| match made {
                Made::Transform(configure) => Some(configure),
                _ => None,
            })?;
            let condition = spec.condition.as_ref().map(|(class, config, negate)| {
                let predicate = predicate::<C>(class, config)?;
                Ok::<_, Error>(Condition { predicate, negate: *negate })
            });
            Ok(Link { transform: configure(&spec.config)?, condition: condition.transpose()? })
        };
        let links = (0..).zip(specs).map(|(number, spec)| link(spec).map_err(|error| (number, error)));
        Ok(Self(links.collect::<Result<_, _>>()?))
    }

    /// Runs the chain over the selected rows, or over those of them that are in the bitmap `only`.
    /// Returns the batch if it was changed, and the rows that failed, with the link they failed in.
    ///
    /// # Errors
    ///
    /// The batch as a whole failed.
    pub fn apply<'a>(&mut self, table: Table<'a>, only: Option<&[u8]>) -> Result<Applied<'a>> {
        let mut records = Records::new(table);
        for (number, link) in (0..).zip(&mut self.0) {
            let mut active = only.map(|only| {
                // The bitmap is over the rows that came in; rows may have become several since.
                let mut active = bits::filled(records.rows as usize, false);
                (0..records.rows as usize)
                    .for_each(|row| bits::set(&mut active, row, bits::get(only, records.input_of(row))));
                active
            });
            if let Some(condition) = &mut link.condition {
                condition.limit(&mut records, number, &mut active)?;
            }
            records.limited(active.map(Cow::Owned), number, |records| link.transform.apply(records))?;
        }
        Ok(records.finish())
    }
}

impl Condition {
    /// Takes out of `active` where the transform is not to be applied.
    fn limit(&mut self, records: &mut Records<'_>, link: u32, active: &mut Option<Vec<u8>>) -> Result<()> {
        let rows = records.rows as usize;
        let mut verdict = Verdict::new(records.rows);
        self.predicate.test(records, &mut verdict)?;
        // Rows that are not meant here cannot fail here either.
        let failed = verdict
            .errors
            .iter()
            .filter(|error| active.as_ref().is_none_or(|active| bits::get(active, error.row as usize)));
        records.limited(None, link, |records| failed.for_each(|error| records.fail(error.clone())));
        let bitmap = active.get_or_insert_with(|| bits::filled(rows, true));
        for row in (0..rows).filter(|&row| verdict.holds(row) == self.negate) {
            bits::set(bitmap, row, false);
        }
        Ok(())
    }
}

/// A predicate with its configuration.
pub(crate) fn predicate<C: Component>(class: &str, config: &ConfigMap) -> Result<Box<dyn AnyPredicate>> {
    let configure = make::<C, _>(class, |made| match made {
        Made::Predicate(configure) => Some(configure),
        _ => None,
    })?;
    configure(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Collector, Info, Plugin, Record, RowPredicate, RowTransform, Rows, Value,
        batch::{Batch, Limits, Role},
    };

    /// Doubles numbers, drops zeros, makes as many nines as it finds of a nine, and fails for text.
    struct Double;

    impl RowTransform for Double {
        const INFO: Info = Info::new("Double");
        type Config = ();

        fn configure(_: ()) -> Result<Self> {
            Ok(Self)
        }

        fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
            match &mut record.value {
                Value::Int64(0) => return Ok(None),
                Value::Int64(number) => *number *= 2,
                other => return Err(Error::data(format!("no number but a {}", other.java_class()))),
            }
            Ok(Some(record))
        }

        fn expand(&mut self, record: Record) -> Result<Vec<Record>> {
            match record.value {
                Value::Int64(9) => Ok(vec![record; 3]),
                _ => Ok(self.apply(record)?.into_iter().collect()),
            }
        }
    }

    /// Fails where the value is 18.
    struct Refuse;

    impl RowTransform for Refuse {
        const INFO: Info = Info::new("Refuse");
        type Config = ();

        fn configure(_: ()) -> Result<Self> {
            Ok(Self)
        }

        fn apply(&mut self, record: Record) -> Result<Option<Record>> {
            match record.value {
                Value::Int64(9) if record.partition.is_none() => Err(Error::data("nine")),
                _ => Ok(Some(record)),
            }
        }
    }

    /// Holds for even numbers, fails for nulls.
    struct IsEven;

    impl RowPredicate for IsEven {
        const INFO: Info = Info::new("IsEven");
        type Config = ();

        fn configure(_: ()) -> Result<Self> {
            Ok(Self)
        }

        fn test(&mut self, record: &Record) -> Result<bool> {
            match record.value {
                Value::Int64(number) => Ok(number % 2 == 0),
                _ => Err(Error::data("cannot tell")),
            }
        }
    }

    struct Numbers;

    impl Component for Numbers {
        fn plugins() -> Vec<Plugin> {
            vec![
                Plugin::transform::<Rows<Double>>(),
                Plugin::transform::<Rows<Refuse>>(),
                Plugin::predicate::<Rows<IsEven>>(),
            ]
        }
    }

    fn link(class: &str, condition: Option<bool>) -> LinkSpec {
        LinkSpec {
            class: class.to_owned(),
            config: ConfigMap::new(),
            condition: condition.map(|negate| ("IsEven".to_owned(), ConfigMap::new(), negate)),
        }
    }

    fn batch(values: &[Value]) -> Batch {
        let mut collector = Collector::new();
        for value in values {
            collector.push(&Record::new("t", value.clone())).expect("fits into a batch");
        }
        let table = collector.into_table().expect("a batch").expect("rows");
        Batch::validate(table.write(), &Limits::DEFAULT).expect("valid")
    }

    fn numbers(numbers: &[i64]) -> Batch {
        batch(&numbers.iter().copied().map(Value::Int64).collect::<Vec<_>>())
    }

    /// Values of the rows that are left, and link and row of those that failed.
    #[track_caller]
    fn check(links: &[LinkSpec], batch: &Batch, only: Option<&[u8]>, left: &[i64], failed: &[(u32, u32)]) {
        let mut chain = Chain::create::<Numbers>(links).unwrap_or_else(|(_, error)| panic!("{error}"));
        let (changed, errors) = chain.apply(batch.open(), only).expect("applied");
        let records = match changed {
            Some(table) => crate::records_of(table.write()).expect("a valid batch"),
            None => Record::selected(&batch.open()).into_iter().map(|(_, record)| record).collect(),
        };
        let values: Vec<Value> = records.into_iter().map(|record| record.value).collect();
        assert_eq!(values, left.iter().copied().map(Value::Int64).collect::<Vec<_>>());
        assert_eq!(errors.iter().map(|(link, error)| (*link, error.row)).collect::<Vec<_>>(), failed);
    }

    #[test]
    fn links_run_one_after_the_other() {
        check(&[link("Double", None), link("Double", None)], &numbers(&[1, 0, 2]), None, &[4, 8], &[]);
    }

    #[test]
    fn a_row_that_fails_is_left_out_of_later_links_and_named_once() {
        let batch = batch(&[Value::Int64(1), "x".into(), Value::Int64(2)]);
        check(&[link("Double", None), link("Double", None)], &batch, None, &[4, 8], &[(0, 1)]);
    }

    #[test]
    fn a_condition_limits_a_link_and_can_be_negated() {
        check(&[link("Double", Some(false))], &numbers(&[1, 2, 0]), None, &[1, 4], &[]);
        check(&[link("Double", Some(true))], &numbers(&[1, 2, 0]), None, &[2, 2, 0], &[]);
        // The second predicate sees what the first link has left.
        check(&[link("Double", Some(true)), link("Double", Some(false))], &numbers(&[1, 3]), None, &[4, 12], &[]);
    }

    #[test]
    fn a_row_that_the_predicate_cannot_judge_fails() {
        let batch = batch(&[Value::Int64(2), Value::Null]);
        check(&[link("Double", Some(false))], &batch, None, &[4], &[(0, 1)]);
        check(&[link("Double", Some(true))], &batch, None, &[2], &[(0, 1)]);
        // Unless the row is not meant at all.
        let mut chain = Chain::create::<Numbers>(&[link("Double", Some(false))]).unwrap_or_else(|_| panic!("made"));
        let (_, errors) = chain.apply(batch.open(), Some(&[0b01])).expect("applied");
        assert_eq!(errors, []);
    }

    #[test]
    fn a_bitmap_limits_the_whole_chain() {
        check(&[link("Double", None), link("Double", None)], &numbers(&[1, 2, 3]), Some(&[0b101]), &[4, 2, 12], &[]);
        // Rows that became several are meant as the one was that they came from.
        check(
            &[link("Double", None), link("Double", None)],
            &numbers(&[9, 1, 2]),
            Some(&[0b011]),
            &[9; 9].iter().copied().chain([4, 2]).collect::<Vec<_>>(),
            &[],
        );
    }

    #[test]
    fn rows_that_became_several_say_where_they_came_from() {
        let batch = numbers(&[1, 9, 2]);
        let mut chain = Chain::create::<Numbers>(&[link("Double", None)]).unwrap_or_else(|_| panic!("made"));
        let (changed, _) = chain.apply(batch.open(), None).expect("applied");
        let table = changed.expect("changed");
        let column = |role| (0..5).map(|row| table.integer(role, row).expect("set")).collect::<Vec<_>>();
        assert_eq!(column(Role::ORIGIN), [0, 1, 1, 1, 2]);
        assert_eq!(column(Role::CHILD), [0, 0, 1, 2, 0]);
    }

    #[test]
    fn a_row_of_which_several_were_made_fails_as_a_whole() {
        check(&[link("Double", None), link("Refuse", None)], &numbers(&[1, 9, 3]), None, &[2, 6], &[(1, 1)]);
    }

    #[test]
    fn rows_that_were_filtered_before_stay_filtered() {
        let mut table = numbers(&[1, 2, 3]).open().into_owned();
        table.deselect([1]);
        let batch = Batch::validate(table.write(), &Limits::DEFAULT).expect("valid");
        check(&[link("Double", None)], &batch, None, &[2, 6], &[]);
    }

    #[test]
    fn a_chain_names_the_link_that_cannot_be_made() {
        let Err((link, error)) = Chain::create::<Numbers>(&[link("Double", None), link("Halve", None)]) else {
            panic!("made")
        };
        assert_eq!((link, error.message.as_str()), (1, "this component has no class Halve of the kind asked for"));
    }
}
