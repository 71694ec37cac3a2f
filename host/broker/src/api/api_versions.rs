//! ApiVersions: what is served. Answered even where the request's own version is not.

use millstream_wire::{
    frame,
    protocol::messages::{
        ApiVersionsRequest, ApiVersionsResponse,
        api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey},
    },
};

use super::{
    Answer, Call, Incoming, Rejected, Reply,
    table::{SERVED, serves},
    text,
};
use crate::error_code::ErrorCode;
use crate::features::{FEATURES, Levels};

pub fn handle(call: &Call<'_>, incoming: &Incoming) -> Result<Reply, Rejected> {
    let version = incoming.version();
    if !serves(incoming.api, version) {
        // The client's version is too new: a version 0 answer that any client can read names the highest one.
        let own = SERVED.iter().filter(|served| served.api == incoming.api).map(announced).collect();
        let body =
            ApiVersionsResponse::default().with_error_code(ErrorCode::UNSUPPORTED_VERSION.get()).with_api_keys(own);
        let frame = frame::encode_response(incoming.api, 0, incoming.header.correlation_id, &body)?;
        return Ok(Reply::Now(Answer::whole(frame)));
    }
    let request: ApiVersionsRequest = incoming.decode()?;
    if 3 <= version
        && !(is_software_word(&request.client_software_name) && is_software_word(&request.client_software_version))
    {
        return incoming.answer(&ApiVersionsResponse::default().with_error_code(ErrorCode::INVALID_REQUEST.get()));
    }
    let answer = ApiVersionsResponse::default().with_api_keys(SERVED.iter().map(announced).collect());
    if version < 3 {
        return incoming.answer(&answer);
    }
    incoming.answer(&with_features(answer, &call.node.features.levels(), version))
}

/// Features that are switched off are supported and not finalized.
fn with_features(answer: ApiVersionsResponse, levels: &Levels, version: i16) -> ApiVersionsResponse {
    let supported = FEATURES.iter().map(|feature| {
        SupportedFeatureKey::default()
            .with_name(text(feature.name))
            // Clients of version 3 take a lowest level of 0 for a fault.
            .with_min_version(if version < 4 { feature.min.max(1) } else { feature.min })
            .with_max_version(feature.max)
    });
    let finalized = FEATURES.iter().map(|feature| (feature, levels.of(feature.name))).filter(|(_, level)| 0 < *level);
    let finalized = finalized.map(|(feature, level)| {
        FinalizedFeatureKey::default()
            .with_name(text(feature.name))
            .with_min_version_level(level)
            .with_max_version_level(level)
    });
    answer
        .with_supported_features(supported.collect())
        .with_finalized_features_epoch(levels.epoch)
        .with_finalized_features(finalized.collect())
}

fn announced(served: &super::table::Served) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(served.api as i16)
        .with_min_version(served.announced_min)
        .with_max_version(served.max)
}

/// Kafka's rule for a client's name and version: letters, digits, '-' and '.', no '-' or '.' at the ends.
fn is_software_word(word: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let bytes = word.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() && bytes.iter().all(|&byte| inner(byte))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_kafkas_rule() {
        assert!(is_software_word("apache-kafka-java") && is_software_word("4.3.0") && is_software_word("x"));
        assert!(!is_software_word("") && !is_software_word("-x") && !is_software_word("a b"));
    }
}
