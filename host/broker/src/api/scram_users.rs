//! AlterUserScramCredentials and DescribeUserScramCredentials (KIP-554): users who log in by SCRAM.

use std::collections::{BTreeMap, BTreeSet};

use millstream_security::sasl::scram::{MAX_ITERATIONS, MIN_ITERATIONS, ScramCredential, ScramHash};
use millstream_wire::protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    alter_user_scram_credentials_response::AlterUserScramCredentialsResult,
    describe_user_scram_credentials_response::{CredentialInfo, DescribeUserScramCredentialsResult},
};

use super::{Call, text};
use crate::error_code::ErrorCode;

type Refused = (ErrorCode, String);

/// Longest user name, salt and salted password, in bytes: far above what is of use.
const MAX_LEN: usize = 4096;

fn hash_of(number: i8) -> Option<ScramHash> {
    match number {
        1 => Some(ScramHash::Sha256),
        2 => Some(ScramHash::Sha512),
        _ => None,
    }
}

fn number_of(hash: ScramHash) -> i8 {
    match hash {
        ScramHash::Sha256 => 1,
        ScramHash::Sha512 => 2,
    }
}

/// All or nothing for each user; what is refused for one leaves the others.
pub async fn alter(call: &Call<'_>, request: AlterUserScramCredentialsRequest) -> AlterUserScramCredentialsResponse {
    let mut outcomes: BTreeMap<String, Result<(), Refused>> = BTreeMap::new();
    let mut seen: BTreeSet<(String, i8)> = BTreeSet::new();
    let mut changes = Vec::new();
    let named = request.deletions.iter().map(|deletion| (&deletion.name, deletion.mechanism));
    let named = named.chain(request.upsertions.iter().map(|upsertion| (&upsertion.name, upsertion.mechanism)));
    for (name, mechanism) in named {
        let outcome = outcomes.entry(name.to_string()).or_insert(Ok(()));
        if !seen.insert((name.to_string(), mechanism)) {
            let words = "A user credential cannot be altered twice in the same request";
            *outcome = Err((ErrorCode::DUPLICATE_RESOURCE, words.to_owned()));
        }
    }
    for deletion in &request.deletions {
        let checked = check_name(&deletion.name).and_then(|()| known_hash(deletion.mechanism)).and_then(|hash| {
            let words = "Attempt to delete a user credential that does not exist";
            let found = call.node.users.scram(hash, &deletion.name);
            found.map(|_| hash).ok_or_else(|| (ErrorCode::RESOURCE_NOT_FOUND, words.to_owned()))
        });
        match checked {
            Ok(hash) => changes.push((deletion.name.to_string(), hash, None)),
            Err(refused) => fail(&mut outcomes, &deletion.name, refused),
        }
    }
    for upsertion in request.upsertions {
        let checked = check_name(&upsertion.name).and_then(|()| known_hash(upsertion.mechanism)).and_then(|hash| {
            let unacceptable = |words: &str| Err((ErrorCode::UNACCEPTABLE_CREDENTIAL, words.to_owned()));
            let iterations = u32::try_from(upsertion.iterations).unwrap_or(0);
            if iterations < MIN_ITERATIONS {
                return unacceptable("Too few iterations");
            }
            if MAX_ITERATIONS < iterations {
                return unacceptable("Too many iterations");
            }
            if upsertion.salt.is_empty() || MAX_LEN < upsertion.salt.len() {
                return unacceptable("The salt is empty or too long");
            }
            if upsertion.salted_password.is_empty() || MAX_LEN < upsertion.salted_password.len() {
                return unacceptable("The salted password is empty or too long");
            }
            let (salt, salted) = (upsertion.salt.to_vec(), &upsertion.salted_password);
            Ok((hash, ScramCredential::of_salted(hash, salted, salt, iterations)))
        });
        match checked {
            Ok((hash, credential)) => changes.push((upsertion.name.to_string(), hash, Some(credential))),
            Err(refused) => fail(&mut outcomes, &upsertion.name, refused),
        }
    }
    changes.retain(|(name, ..)| outcomes.get(name).is_some_and(Result::is_ok));
    if !changes.is_empty()
        && let Err(error) = call.node.users.change(changes).await
    {
        let words = millstream_record::ErrorChain(&error).to_string();
        for outcome in outcomes.values_mut().filter(|outcome| outcome.is_ok()) {
            *outcome = Err((ErrorCode::KAFKA_STORAGE_ERROR, words.clone()));
        }
    }
    let results = outcomes.into_iter().map(|(name, outcome)| {
        let result = AlterUserScramCredentialsResult::default().with_user(text(name));
        match outcome {
            Ok(()) => result,
            Err((code, words)) => result.with_error_code(code.get()).with_error_message(Some(text(words))),
        }
    });
    AlterUserScramCredentialsResponse::default().with_results(results.collect())
}

fn fail(outcomes: &mut BTreeMap<String, Result<(), Refused>>, name: &str, refused: Refused) {
    if let Some(outcome @ Ok(())) = outcomes.get_mut(name) {
        *outcome = Err(refused);
    }
}

fn check_name(name: &str) -> Result<(), Refused> {
    if name.is_empty() {
        return Err((ErrorCode::UNACCEPTABLE_CREDENTIAL, "Username must not be empty".to_owned()));
    }
    if MAX_LEN < name.len() {
        return Err((ErrorCode::UNACCEPTABLE_CREDENTIAL, "The user name is too long".to_owned()));
    }
    Ok(())
}

fn known_hash(mechanism: i8) -> Result<ScramHash, Refused> {
    hash_of(mechanism).ok_or_else(|| (ErrorCode::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism".to_owned()))
}

pub fn describe(
    call: &Call<'_>,
    request: &DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let all = call.node.users.all();
    let mut infos: BTreeMap<&str, Vec<CredentialInfo>> = BTreeMap::new();
    for ((name, hash), credential) in &*all {
        let iterations = i32::try_from(credential.iterations).unwrap_or(i32::MAX);
        let info = CredentialInfo::default().with_mechanism(number_of(*hash)).with_iterations(iterations);
        infos.entry(name).or_default().push(info);
    }
    let asked: Option<Vec<String>> = match &request.users {
        Some(users) if !users.is_empty() => Some(users.iter().map(|user| user.name.to_string()).collect()),
        _ => None,
    };
    let results: Vec<DescribeUserScramCredentialsResult> = match asked {
        None => infos.into_iter().map(|(name, infos)| described(name, Ok(infos))).collect(),
        Some(names) => {
            let unique: BTreeSet<&String> = names.iter().collect();
            let describe = |name: &&String| {
                let twice = names.iter().filter(|other| other == name).count() > 1;
                let missing = || format!("Attempt to describe a user credential that does not exist: {name}");
                match infos.get(name.as_str()) {
                    _ if twice => {
                        let words = format!(
                            "Cannot describe SCRAM credentials for the same user twice in a single request: {name}"
                        );
                        described(name, Err((ErrorCode::DUPLICATE_RESOURCE, words)))
                    }
                    Some(infos) => described(name, Ok(infos.clone())),
                    None => described(name, Err((ErrorCode::RESOURCE_NOT_FOUND, missing()))),
                }
            };
            unique.iter().map(describe).collect()
        }
    };
    DescribeUserScramCredentialsResponse::default().with_results(results)
}

fn described(name: &str, infos: Result<Vec<CredentialInfo>, Refused>) -> DescribeUserScramCredentialsResult {
    let result = DescribeUserScramCredentialsResult::default().with_user(text(name));
    match infos {
        Ok(infos) => result.with_credential_infos(infos),
        Err((code, words)) => result.with_error_code(code.get()).with_error_message(Some(text(words))),
    }
}
