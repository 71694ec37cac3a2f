//! Ids of topics, clusters and folders: UUIDs, written as URL-safe base64 without padding.

use millstream_log::checkpoint::{id_from_text, id_to_text};
use uuid::Uuid;

/// Draws an id. Kafka avoids texts that a tool would take for an option.
pub fn draw() -> Uuid {
    loop {
        let id = Uuid::new_v4();
        if !to_text(id).starts_with('-') {
            return id;
        }
    }
}

/// The 22 characters of an id.
pub fn to_text(id: Uuid) -> String {
    id_to_text(*id.as_bytes())
}

/// Reads what [`to_text`] writes; `None` for anything else.
pub fn from_text(text: &str) -> Option<Uuid> {
    id_from_text(text).map(Uuid::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_ids_can_be_read_back_and_never_look_like_an_option() {
        for _ in 0..200 {
            let drawn = draw();
            let text = to_text(drawn);
            assert!(!text.starts_with('-'));
            assert_eq!(from_text(&text), Some(drawn));
        }
    }
}
