//! Delegation tokens (KIP-48): there are none, as on a broker of Kafka's without `delegation.token.secret.key`.

use millstream_wire::protocol::messages::{
    CreateDelegationTokenResponse, DescribeDelegationTokenResponse, ExpireDelegationTokenResponse,
    RenewDelegationTokenResponse,
};

use super::{Call, text};
use crate::{error_code::ErrorCode, security::session::ANONYMOUS};

const USER_TYPE: &str = "User";

/// Kafka asks first who may have one at all: nobody who did not authenticate.
fn refusal(call: &Call<'_>) -> i16 {
    let code = match call.peer.session.user != ANONYMOUS {
        true => ErrorCode::DELEGATION_TOKEN_AUTH_DISABLED,
        false => ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
    };
    code.get()
}

pub fn create(call: &Call<'_>) -> CreateDelegationTokenResponse {
    let user = text(call.peer.session.user.as_str());
    let answer = CreateDelegationTokenResponse::default()
        .with_error_code(refusal(call))
        .with_principal_type(text(USER_TYPE))
        .with_principal_name(user.clone())
        .with_issue_timestamp_ms(-1)
        .with_expiry_timestamp_ms(-1)
        .with_max_timestamp_ms(-1);
    if call.version < 3 {
        return answer;
    }
    answer.with_token_requester_principal_type(text(USER_TYPE)).with_token_requester_principal_name(user)
}

pub fn renew(call: &Call<'_>) -> RenewDelegationTokenResponse {
    RenewDelegationTokenResponse::default().with_error_code(refusal(call)).with_expiry_timestamp_ms(-1)
}

pub fn expire(call: &Call<'_>) -> ExpireDelegationTokenResponse {
    ExpireDelegationTokenResponse::default().with_error_code(refusal(call)).with_expiry_timestamp_ms(-1)
}

pub fn describe(call: &Call<'_>) -> DescribeDelegationTokenResponse {
    DescribeDelegationTokenResponse::default().with_error_code(refusal(call))
}
