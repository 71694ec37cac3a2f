//! UpdateFeatures: levels of the cluster's features, all of the request or none.

use millstream_record::ErrorChain;
use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{
        UpdateFeaturesRequest, UpdateFeaturesResponse, update_features_response::UpdatableFeatureResult,
    },
};
use tracing::info;

use super::{Call, text};
use crate::features::{RefuseUpdate, TRANSACTION_VERSION, Update};

/// The kind of update, from version 1 on, that never lowers a level.
const UPGRADE: i8 = 1;
const UNSAFE_DOWNGRADE: i8 = 3;

pub async fn handle(call: &Call<'_>, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let refused = |code: ErrorCode, message: String| {
        UpdateFeaturesResponse::default().with_error_code(code.get()).with_error_message(Some(text(message)))
    };
    let names: Vec<_> = request.feature_updates.iter().map(|update| update.feature.clone()).collect();
    let mut updates = Vec::with_capacity(names.len());
    for update in request.feature_updates {
        let may_lower = match (call.version, update.upgrade_type) {
            (0, _) => update.allow_downgrade,
            (_, UPGRADE..=UNSAFE_DOWNGRADE) => update.upgrade_type != UPGRADE,
            (_, _) => {
                let (name, level) = (&update.feature, update.max_version_level);
                let reason = "The controller does not support the given upgrade type.";
                return refused(ErrorCode::INVALID_UPDATE_VERSION, in_kafkas_words(name, level, reason));
            }
        };
        updates.push(Update { name: update.feature.to_string(), level: update.max_version_level, may_lower });
    }
    let asked: Vec<(String, i16)> = updates.iter().map(|update| (update.name.clone(), update.level)).collect();
    let validate_only = 1 <= call.version && request.validate_only;
    match call.node.features.update(updates, validate_only).await {
        Ok(levels) => {
            let level = levels.of(TRANSACTION_VERSION);
            if !validate_only {
                if let Err(code) = call.node.transactions.set_level(level) {
                    return refused(code, "the transactions are not in order".to_owned());
                }
                info!(transaction_version = level, "levels of features were set");
            }
            let answer = UpdateFeaturesResponse::default();
            if 2 <= call.version {
                return answer;
            }
            answer.with_results(
                names.into_iter().map(|name| UpdatableFeatureResult::default().with_feature(name)).collect(),
            )
        }
        Err(error) => {
            let node = call.node.config.node_id;
            let level = |of: &str| asked.iter().find(|(name, _)| name == of).map_or(0, |(_, level)| *level);
            let invalid = |name: &str, reason: &str| {
                refused(ErrorCode::INVALID_UPDATE_VERSION, in_kafkas_words(name, level(name), reason))
            };
            match &error {
                RefuseUpdate::Unknown { name } | RefuseUpdate::OutOfRange { name, .. } if level(name) < 0 => {
                    invalid(name, "A feature version cannot be less than 0.")
                }
                RefuseUpdate::Unknown { name } => {
                    invalid(name, &format!("Local controller {node} does not support this feature."))
                }
                RefuseUpdate::OutOfRange { name, min, max, .. } => {
                    invalid(name, &format!("Local controller {node} only supports versions {min}-{max}"))
                }
                RefuseUpdate::Lowered { name, .. } => invalid(
                    name,
                    "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe \
                     downgrade.",
                ),
                RefuseUpdate::Write { .. } | RefuseUpdate::Interrupted { .. } => {
                    refused(ErrorCode::FEATURE_UPDATE_FAILED, ErrorChain(&error).to_string())
                }
            }
        }
    }
}

fn in_kafkas_words(name: &str, level: i16, reason: &str) -> String {
    format!(
        "The update failed for all features since the following feature had an error: Invalid update version {level} for \
         feature {name}. {reason}"
    )
}
