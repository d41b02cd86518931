//! An authorization server that follows a script, with the token that it gave last kept.

use std::collections::VecDeque;
use std::sync::Mutex;

use application::ports::{AccessToken, AccessTokens, TokenRefused, TokenRequest};
use async_trait::async_trait;
use domain::failure::{ErrorCode, Failure};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::Journal;

pub(crate) struct ScriptedTokens {
    state: Mutex<State>,
    journal: Journal,
}

#[derive(Default)]
struct State {
    script: VecDeque<Result<String, TokenRefused>>,
    kept: Option<String>,
    asked: Vec<AskedToken>,
}

/// What the authorization server was asked with, the secret exposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskedToken {
    pub(crate) url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) scopes: Vec<String>,
}

impl ScriptedTokens {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { state: Mutex::default(), journal }
    }

    /// The next tokens that are issued.
    pub(crate) fn will_issue<'a>(&self, values: impl IntoIterator<Item = &'a str>) {
        self.state.lock().expect("not poisoned").script.extend(values.into_iter().map(|value| Ok(value.to_owned())));
    }

    /// The next request is refused, with that explanation.
    pub(crate) fn will_refuse(&self, invalid_client: bool, details: &str) {
        let failure = Failure::new(ErrorCode::OauthTokenFailed, "the server refused").with_details(details);
        let refused = TokenRefused { failure, invalid_client };
        self.state.lock().expect("not poisoned").script.push_back(Err(refused));
    }

    /// What was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<AskedToken> {
        self.state.lock().expect("not poisoned").asked.clone()
    }

    fn get(&self, request: &TokenRequest, refused: Option<&SecretString>) -> Result<AccessToken, TokenRefused> {
        let mut state = self.state.lock().expect("not poisoned");
        let is_stale = |kept: &String| refused.is_some_and(|refused| refused.expose_secret() == kept);
        if let Some(kept) = state.kept.clone().filter(|kept| !is_stale(kept)) {
            return Ok(AccessToken { value: kept.into(), cached: true });
        }
        self.journal.note("token");
        state.asked.push(AskedToken {
            url: request.grant.token_url.as_str().to_owned(),
            client_id: request.client_id.clone(),
            client_secret: request.client_secret.expose_secret().to_owned(),
            scopes: request.grant.scopes.clone(),
        });
        let value = state.script.pop_front().expect("the script goes on")?;
        state.kept = Some(value.clone());
        Ok(AccessToken { value: value.into(), cached: false })
    }
}

#[async_trait]
impl AccessTokens for ScriptedTokens {
    async fn token(&self, request: &TokenRequest, _deadline: Instant) -> Result<AccessToken, TokenRefused> {
        self.get(request, None)
    }

    async fn renew(
        &self,
        request: &TokenRequest,
        stale: &SecretString,
        _deadline: Instant,
    ) -> Result<AccessToken, TokenRefused> {
        self.get(request, Some(stale))
    }
}
