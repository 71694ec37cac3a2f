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
    pub fn apply<'a>(
        &mut self,
        table: Table<'a>,
        only: Option<&[u8]>,
    ) -> Result<(Option<Table<'a>>, Vec<(u32, RowError)>)> {
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
