//! An access token for the client secret behind a connector's reference (RFC 6749 §4.4).

use domain::connector::ClientCredentials;
use domain::failure::{ErrorCode, Failure};
use domain::json;
use domain::secret_ref::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::form_urlencoded::byte_serialize;

use super::{Way, equal};
use crate::execution::payload;
use crate::ports::{AccessToken, TokenRefused, TokenRequest};
use crate::redaction::Redactor;

/// A token, and what it was asked for with.
pub(super) struct Token {
    issued: AccessToken,
    client: Client,
}

/// The secret as the store holds it, and the request that it makes.
struct Client {
    held: SecretString,
    request: TokenRequest,
}

impl Token {
    /// Has a token for the client whose secret is `held`.
    ///
    /// # Errors
    /// `secret-not-found` for a secret that cannot be used, `oauth-token-failed`; redacted.
    pub(super) async fn obtain(
        way: Way<'_>,
        reference: &SecretRef,
        grant: &ClientCredentials,
        held: SecretString,
    ) -> Result<Self, Failure> {
        let client = Client::of(way, reference, grant, held)?;
        let answer = way.sources.tokens.token(&client.request, way.deadline).await;
        Self::of(answer, client, way, reference).await
    }

    /// Another token than this one, which the upstream has refused.
    ///
    /// # Errors
    /// As [`Self::obtain`].
    pub(super) async fn renew(self, way: Way<'_>, reference: &SecretRef) -> Result<Option<Self>, Failure> {
        let Self { issued: AccessToken { value: stale, .. }, client } = self;
        let answer = way.sources.tokens.renew(&client.request, &stale, way.deadline).await;
        let renewed = Self::of(answer, client, way, reference).await?;
        Ok((!equal(&renewed.issued.value, &stale)).then_some(renewed))
    }

    /// A client secret that the authorization server does not accept may have been rotated since it was looked up: if
    /// the store has another one by now, that one is tried, once.
    async fn of(
        answer: Result<AccessToken, TokenRefused>,
        client: Client,
        way: Way<'_>,
        reference: &SecretRef,
    ) -> Result<Self, Failure> {
        let refused = match answer {
            Ok(issued) => return Ok(Self { issued, client }),
            Err(refused) => refused,
        };
        if refused.invalid_client
            && let Ok(held) = way.look_up(reference, Some(&client.held)).await
            && !equal(&held, &client.held)
        {
            let client = Client::of(way, reference, &client.request.grant, held)?;
            return match way.sources.tokens.token(&client.request, way.deadline).await {
                Ok(issued) => Ok(Self { issued, client }),
                Err(refused) => Err(client.redacted(refused.failure)),
            };
        }
        Err(client.redacted(refused.failure))
    }

    pub(super) const fn value(&self) -> &SecretString {
        &self.issued.value
    }

    pub(super) const fn is_cached(&self) -> bool {
        self.issued.cached
    }

    /// Everything that must not be seen.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let mut secrets = self.client.secrets();
        secrets.push(self.issued.value.clone());
        secrets
    }
}

impl Client {
    /// Reads the secret: `{"clientId":…,"clientSecret":…}`, or the bare client secret where the settings say who asks.
    fn of(way: Way<'_>, reference: &SecretRef, grant: &ClientCredentials, held: SecretString) -> Result<Self, Failure> {
        let unusable = |why: &str| {
            Failure::new(
                ErrorCode::SecretNotFound,
                format!("the secret `{reference}` of a connector with `OAuth2` {why}"),
            )
        };
        let (named, client_secret) = match json::parse(held.expose_secret(), json::Rules::LENIENT) {
            Ok(Value::Object(members)) => {
                let secret = text(&members, "clientSecret")
                    .ok_or_else(|| unusable("is a JSON object without a string `clientSecret`"))?;
                (text(&members, "clientId").map(str::to_owned), SecretString::from(secret))
            }
            _ => (None, held.clone()),
        };
        let client_id = match (named, &grant.client_id) {
            (Some(named), Some(given)) if named != *given => {
                return Err(unusable("and `authenticationSettings` name different clients"));
            }
            (Some(named), _) => named,
            (None, Some(given)) => given.clone(),
            (None, None) => {
                let why = "must be `{\"clientId\":…,\"clientSecret\":…}`, unless the settings have a `clientId`";
                return Err(unusable(why));
            }
        };
        let request = TokenRequest { connector: way.connector.id, grant: grant.clone(), client_id, client_secret };
        Ok(Self { held, request })
    }

    /// What must not be seen: the client secret in every form in which it is kept or sent.
    fn secrets(&self) -> Vec<SecretString> {
        let (id, secret) = (&self.request.client_id, self.request.client_secret.expose_secret());
        // RFC 6749 §2.3.1 encodes both parts before base64; some servers compare the plain ones.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        vec![
            self.held.clone(),
            self.request.client_secret.clone(),
            format!("{id}:{secret}").into(),
            format!("{}:{}", encoded(id), encoded(secret)).into(),
        ]
    }

    /// Authorization servers explain themselves with what they were sent.
    fn redacted(&self, failure: Failure) -> Failure {
        let Ok(redactor) = Redactor::knowing(&self.secrets()) else {
            return Failure { details: None, ..failure };
        };
        Failure {
            message: payload::storable(&redactor.text(&failure.message)),
            details: failure.details.map(|details| payload::storable(&redactor.text(&details))),
            ..failure
        }
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}
