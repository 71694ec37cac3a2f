//! Transforms: one that changes records, one that makes several of one, and one that works on whole
//! columns.

use millstream_sdk::{
    Error, Info, Record, Records, Result, RowTransform, Rows, Transform, Value,
    batch::{Column, Role},
    config::{ConfigDef, ConfigValues, Key, PluginConfig},
};

millstream_sdk::plugin! {
    transforms: [Rows<Shout>, Rows<SplitWords>, Retopic],
}

/// Turns text values into capitals, and drops records without a value.
pub struct Shout;

impl RowTransform for Shout {
    const INFO: Info = Info::new("org.example.Shout").version("1").doc("Capitals for text; nulls are dropped.");
    type Config = ();

    fn configure(_: ()) -> Result<Self> {
        Ok(Self)
    }

    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        match &mut record.value {
            Value::Null => return Ok(None),
            Value::String(text) => *text = text.to_uppercase(),
            other => return Err(Error::data(format!("expected text, found a {}", other.java_class()))),
        }
        Ok(Some(record))
    }
}

/// Makes a record of each word of a text value.
pub struct SplitWords;

impl RowTransform for SplitWords {
    const INFO: Info = Info::new("org.example.SplitWords").version("1").doc("A record for each word.");
    type Config = ();

    fn configure(_: ()) -> Result<Self> {
        Ok(Self)
    }

    fn apply(&mut self, record: Record) -> Result<Option<Record>> {
        Ok(Some(record))
    }

    fn expand(&mut self, record: Record) -> Result<Vec<Record>> {
        let Value::String(text) = &record.value else { return Ok(vec![record]) };
        let word = |word: &str| Record { value: word.into(), ..record.clone() };
        Ok(text.split_whitespace().map(word).collect())
    }
}

/// Sends all records to one topic. Rows need not be looked at: the column of topics is replaced.
pub struct Retopic {
    topic: String,
}

/// The configuration of [`Retopic`].
pub struct RetopicConfig {
    topic: String,
}

impl PluginConfig for RetopicConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(Key::string("topic").required().non_empty().doc("The topic."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { topic: values.string("topic")?.to_owned() })
    }
}

impl Transform for Retopic {
    const INFO: Info = Info::new("org.example.Retopic").version("1").doc("One topic for all.");
    type Config = RetopicConfig;

    fn configure(config: RetopicConfig) -> Result<Self> {
        Ok(Self { topic: config.topic })
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        let rows = records.rows;
        let topics = if records.all_matter() {
            Column::constant_str(rows, &self.topic)
        } else {
            // A predicate limits the transform: the other rows keep their topics.
            let topic = |row: usize| match records.is_active(row) {
                true => self.topic.as_str(),
                false => records.topic(row).unwrap_or_default(),
            };
            Column::strings((0..rows as usize).map(topic)).into_owned()
        };
        records.set(Role::TOPIC, topics);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{Chain, Collector, LinkSpec, batch::Table, config::ConfigMap};

    use super::*;

    fn table(values: &[Value]) -> Table<'static> {
        let mut collector = Collector::new();
        values.iter().for_each(|value| collector.push(&Record::new("t", value.clone())).expect("fits"));
        collector.into_table().expect("a batch").expect("rows")
    }

    fn chain(links: &[(&str, ConfigMap)]) -> Chain {
        let link = |(class, config): &(&str, ConfigMap)| LinkSpec {
            class: (*class).to_owned(),
            config: config.clone(),
            condition: None,
        };
        let links: Vec<_> = links.iter().map(link).collect();
        Chain::create::<MillstreamComponent>(&links).unwrap_or_else(|(_, error)| panic!("{error}"))
    }

    #[test]
    fn a_chain_changes_multiplies_and_drops() {
        let links = [
            ("org.example.SplitWords", ConfigMap::new()),
            ("org.example.Shout", ConfigMap::new()),
            ("org.example.Retopic", ConfigMap::from([("topic", "words")])),
        ];
        let rows = table(&["a bc".into(), Value::Null, Value::Int64(1), "d".into()]);
        let (changed, errors) = chain(&links).apply(rows, None).expect("applied");
        let changed = changed.expect("changed");
        let words: Vec<_> =
            Record::selected(&changed).into_iter().map(|(_, record)| (record.topic, record.value)).collect();
        assert_eq!(words, ["A", "BC", "D"].map(|word| ("words".to_owned(), word.into())));
        // The third row, by the number it came in with, failed in the second link.
        assert_eq!(errors.len(), 1);
        assert_eq!((errors[0].0, errors[0].1.row), (1, 2));
    }

    #[test]
    fn rows_that_are_not_meant_stay_as_they_are() {
        let links = [("org.example.Retopic", ConfigMap::from([("topic", "new")]))];
        let (changed, _) = chain(&links).apply(table(&["a".into(), "b".into()]), Some(&[0b10])).expect("applied");
        let changed = changed.expect("changed");
        assert_eq!([changed.topic(0), changed.topic(1)], [Some("t"), Some("new")]);
    }
}
