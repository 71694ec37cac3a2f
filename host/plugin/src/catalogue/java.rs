//! Guesses which plugin stands in for a Java archive, from the words of its file name.

/// Words that say nothing about what a plugin does.
const EMPTY_WORDS: [&str; 12] =
    ["kafka", "connect", "connector", "connectors", "plugin", "plugins", "apache", "org", "io", "com", "jar", "all"];

/// The class that shares most words with the names, if any shares one.
pub(super) fn nearest<'a>(names: impl Iterator<Item = &'a str>, classes: &[&str]) -> Option<String> {
    let wanted: Vec<String> = names.flat_map(|name| words(name.trim_end_matches(".jar"))).collect();
    let score =
        |class: &str| words(class).iter().filter(|word| wanted.iter().any(|wanted| alike(wanted, word))).count();
    let best = classes.iter().map(|class| (score(class), std::cmp::Reverse(*class))).max()?;
    (0 < best.0).then(|| best.1.0.to_owned())
}

/// The end of a message that names the nearest plugin.
pub(super) fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|class| format!("; the nearest plugin there is: {class}")).unwrap_or_default()
}

/// Words in lower case: a name is cut at everything that is no letter, and before capitals.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if !letter.is_alphabetic() || letter.is_uppercase() {
            words.push(String::new());
        }
        if letter.is_alphabetic() {
            words.last_mut().expect("there is always one").extend(letter.to_lowercase());
        }
    }
    words.retain(|word| 1 < word.len() && !EMPTY_WORDS.contains(&word.as_str()));
    words
}

fn alike(a: &str, b: &str) -> bool {
    a.trim_end_matches('s') == b.trim_end_matches('s')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_leads_to_the_class_with_the_same_words() {
        let classes = [
            "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "org.apache.kafka.connect.transforms.Cast$Value",
            "org.example.DatagenConnector",
        ];
        let nearest = |name: &str| nearest([name].into_iter(), &classes);
        assert_eq!(nearest("connect-file-3.7.0.jar").as_deref(), Some(classes[0]));
        assert_eq!(nearest("connect-transforms-4.0.0.jar").as_deref(), Some(classes[2]));
        assert_eq!(nearest("kafka-connect-datagen-0.6.jar").as_deref(), Some(classes[3]));
        assert_eq!(nearest("kafka-connect-jdbc-10.7.4.jar"), None);
    }
}
