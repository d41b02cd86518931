//! What credentials look like by themselves: the marks that their issuers give them so that they can be recognised.

use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::chance;

/// What else must hold of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Nothing: nobody writes such a thing by chance.
    Shape,
    /// The group must look drawn at random, since words can have the shape, too.
    Drawn,
    /// The same, and it must have capitals, small letters and digits, which no digest in hexadecimal has.
    Mixed,
    /// The group must be the base64 of `user:password`.
    UserAndPassword,
    /// The group must be no placeholder such as `password`, `${PASSWORD}` or `***`.
    Given,
}

/// The kinds, each with a name for a person, a pattern and what else must hold. A pattern has one group at most; without
/// one the whole match is what is judged. Patterns are of ASCII bytes.
const SHAPES: &[(&str, &str, Proof)] = &[
    ("a private key", r"(?i)-{2,}BEGIN[ +_]?[A-Z0-9 +_]{0,40}PRIVATE[ +_]KEY", Proof::Shape),
    ("a private key", r"\bb3BlbnNzaC1rZXktdjE", Proof::Shape),
    ("a private key", r"PuTTY-User-Key-File-\d", Proof::Shape),
    ("a private key", r"(?i)\bAGE-SECRET-KEY-1[0-9A-Z]{40,}", Proof::Shape),
    ("a private key", r#""(?:d|k)"\s*:\s*"([A-Za-z0-9_-]{40,})""#, Proof::Drawn),
    ("an AWS access key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", Proof::Shape),
    ("an AWS secret key", r"(?:^|[^A-Za-z0-9/+=_.-])([A-Za-z0-9/+]{40})(?:$|[^A-Za-z0-9/+=_.-])", Proof::Mixed),
    ("an Alibaba Cloud access key", r"\bLTAI[A-Za-z0-9]{12,24}\b", Proof::Drawn),
    ("a Tencent Cloud access key", r"\bAKID[A-Za-z0-9]{32}\b", Proof::Shape),
    ("a Google API key", r"\bAIza[A-Za-z0-9_-]{35}", Proof::Shape),
    ("a Google OAuth client secret", r"\bGOCSPX-[A-Za-z0-9_-]{20,}", Proof::Shape),
    ("a Google OAuth token", r"\bya29\.[A-Za-z0-9_-]{20,}", Proof::Shape),
    ("a Google OAuth token", r"\b1//0[A-Za-z0-9_-]{30,}", Proof::Shape),
    (
        "an Azure account key",
        r#"(?i)(?:Account|SharedAccess|Primary|Secondary|Master)[ _]?Key["' ]*[=:][ "']*([A-Za-z0-9+/]{40,}={0,2})"#,
        Proof::Drawn,
    ),
    ("an Azure shared access signature", r"(?i)(?:^|[?&; ])sig=([A-Za-z0-9%+/_-]{40,})", Proof::Drawn),
    ("an Azure client secret", r"\b[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}", Proof::Shape),
    ("an Azure function key", r"(?i)[?&]code=([A-Za-z0-9_/+-]{40,})={0,2}", Proof::Drawn),
    ("a GitHub token", r"(?:\b|_)gh[pousr]_[A-Za-z0-9]{36,}", Proof::Shape),
    ("a GitHub token", r"(?:\b|_)github_pat_[A-Za-z0-9_]{22,}", Proof::Shape),
    ("a GitLab token", r"\bgl(?:pat|dt|rt|ptt|cbt|ft|imt|agent|oas|soat|ffct)-[A-Za-z0-9_.-]{20,}", Proof::Drawn),
    ("an Atlassian token", r"\bAT(?:ATT3|CTT3)[A-Za-z0-9_=-]{40,}", Proof::Shape),
    ("an Atlassian token", r"\bATBB[A-Za-z0-9]{24,}", Proof::Shape),
    ("a Slack token", r"\bxox[abceoprs](?:\.xox[bp])?-[A-Za-z0-9-]{0,20}\d[A-Za-z0-9-]{9,}", Proof::Shape),
    ("a Slack token", r"\bxapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+", Proof::Shape),
    ("a Slack webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{30,})", Proof::Drawn),
    ("a Discord webhook", r"discord(?:app)?\.com/api/webhooks/\d+/([A-Za-z0-9_-]{40,})", Proof::Drawn),
    ("a Discord token", r"\b[MNO][A-Za-z\d_-]{23,27}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,38}\b", Proof::Drawn),
    ("a Teams webhook", r"\.webhook\.office\.com/webhookb2/([A-Za-z0-9@/-]{60,})", Proof::Shape),
    ("a Telegram bot token", r"\b\d{8,10}:([A-Za-z0-9_-]{35})\b", Proof::Drawn),
    ("a Stripe key", r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}", Proof::Shape),
    ("a webhook secret", r"\bwhsec_[A-Za-z0-9+/=]{24,}", Proof::Shape),
    ("a Square token", r"\bsq0[a-z]{3}-[A-Za-z0-9_-]{22,}", Proof::Shape),
    ("a Square token", r"\bEAAA([A-Za-z0-9_-]{60})\b", Proof::Drawn),
    ("a Shopify token", r"\bshp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{32}", Proof::Shape),
    ("a Razorpay key", r"\brzp_(?:live|test)_[A-Za-z0-9]{14,}", Proof::Shape),
    ("a Plaid token", r"\baccess-(?:sandbox|development|production)-[0-9a-f]{8}-[0-9a-f-]{27}", Proof::Shape),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}", Proof::Shape),
    ("a PyPI token", r"\bpypi-([A-Za-z0-9_-]{32,})", Proof::Drawn),
    ("a RubyGems key", r"\brubygems_[0-9a-f]{40,}", Proof::Shape),
    ("a crates.io token", r"\bcio([A-Za-z0-9]{32})\b", Proof::Drawn),
    ("a NuGet key", r"\boy2[a-z0-9]{43}\b", Proof::Shape),
    ("a Docker Hub token", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}", Proof::Shape),
    ("an Artifactory token", r"\b(?:AKCp[A-Za-z0-9]{60,}|cmVmd[A-Za-z0-9]{50,})", Proof::Shape),
    ("a SonarQube token", r"\bsq[apu]_[0-9a-f]{40}", Proof::Shape),
    ("a CircleCI token", r"\bCCIP(?:AT|RJ)_[A-Za-z0-9_-]{30,}", Proof::Shape),
    ("a Buildkite token", r"\bbk[a-z]{1,2}_[0-9a-f]{40}", Proof::Shape),
    ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}", Proof::Shape),
    ("a Twilio key", r"\bSK[0-9a-f]{32}\b", Proof::Shape),
    ("a Mailgun key", r"\bkey-[0-9a-f]{32}\b", Proof::Shape),
    ("a Mailgun key", r"\b[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}\b", Proof::Shape),
    ("a Mailchimp key", r"\b[0-9a-f]{32}-us\d{1,2}\b", Proof::Shape),
    ("a Brevo key", r"\bxkeysib-[0-9a-f]{64}", Proof::Shape),
    ("a Resend key", r"\bre_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}\b", Proof::Shape),
    ("a HubSpot token", r"\bpat-(?:na|eu|ap)\d-[0-9a-f-]{36}", Proof::Shape),
    ("a Salesforce session", r"\b00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{40,}", Proof::Shape),
    ("an Okta token", r"(?i)\bSSWS\s+([A-Za-z0-9_-]{30,})", Proof::Drawn),
    ("a DigitalOcean token", r"\bdo[opr]_v1_[0-9a-f]{64}", Proof::Shape),
    ("a Vault token", r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}", Proof::Shape),
    ("a Vault token", r"(?:^|[^A-Za-z0-9_.-])[sb]\.([A-Za-z0-9]{24})\b", Proof::Drawn),
    ("a Terraform Cloud token", r"\.atlasv1\.[A-Za-z0-9_=-]{30,}", Proof::Shape),
    ("a Heroku key", r"\bHRKU-[A-Za-z0-9_-]{30,}", Proof::Shape),
    ("a Databricks token", r"\bdapi[0-9a-f]{32}", Proof::Shape),
    ("a Fly.io token", r"\b(?:fo1|fm1r|fm2)_[A-Za-z0-9_+/=-]{40,}", Proof::Shape),
    ("a Cloudflare key", r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{100,}", Proof::Shape),
    ("a Pulumi token", r"\bpul-[0-9a-f]{40}\b", Proof::Shape),
    ("a Doppler token", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{36,}", Proof::Shape),
    ("a 1Password token", r"\bops_eyJ[A-Za-z0-9+/=_-]{40,}", Proof::Shape),
    ("a PlanetScale token", r"\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_=.-]{32,}", Proof::Shape),
    ("a Supabase key", r"\bsb(?:p_[0-9a-f]{40}|_secret_[A-Za-z0-9_-]{20,})", Proof::Shape),
    ("a New Relic key", r"\bNRAK-[A-Z0-9]{27}|\bNRII-[A-Za-z0-9_-]{32}|\bNRJS-[0-9a-f]{19}", Proof::Shape),
    ("a New Relic key", r"\b[0-9a-f]{36}NRAL\b", Proof::Shape),
    ("a Datadog key", r"(?i)\bdd[-_](?:api|app|application)[-_]key\W{1,4}([0-9a-f]{32,40})\b", Proof::Shape),
    ("a Grafana token", r"\bgl(?:c|sa)_[A-Za-z0-9_+/=-]{32,}", Proof::Shape),
    ("a Dynatrace token", r"\bdt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{60,}", Proof::Shape),
    ("a Sentry token", r"\bsntry[su]_[A-Za-z0-9_=+/-]{40,}", Proof::Shape),
    ("an Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{20,}", Proof::Drawn),
    ("an OpenAI key", r"\bsk-(?:proj-|svcacct-|admin-|or-v1-)?([A-Za-z0-9_-]{20,})", Proof::Drawn),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}", Proof::Shape),
    ("a Groq key", r"\bgsk_[A-Za-z0-9]{40,}", Proof::Shape),
    ("an xAI key", r"\bxai-[A-Za-z0-9]{60,}", Proof::Shape),
    ("a Perplexity key", r"\bpplx-[A-Za-z0-9]{40,}", Proof::Shape),
    ("a Replicate token", r"\br8_[A-Za-z0-9]{37}", Proof::Shape),
    ("a Linear key", r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}", Proof::Shape),
    ("a Notion token", r"\b(?:secret|ntn)_([A-Za-z0-9]{40,})", Proof::Drawn),
    ("an Airtable token", r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}", Proof::Shape),
    ("an Asana token", r"\b\d/\d{10,}:[0-9a-f]{32}", Proof::Shape),
    ("a Figma token", r"\bfig[do]_[A-Za-z0-9_-]{36,}", Proof::Shape),
    ("a Postman key", r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}", Proof::Shape),
    ("a Dropbox token", r"\bsl\.[A-Za-z0-9_-]{60,}", Proof::Shape),
    ("a Facebook token", r"\bEAA([A-Za-z0-9]{80,})\b", Proof::Drawn),
    ("an API key of this service", r"(?:\b|_)esgc_[0-9A-Za-z]{32,}", Proof::Shape),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}", Proof::Shape),
    ("a JSON web token", r"\beyJ[A-Za-z0-9_-]{12,}(?:\.[A-Za-z0-9_-]*){3}\.[A-Za-z0-9_-]{8,}", Proof::Shape),
    ("a basic credential", r"(?i)\bbasic[\s:+]+([A-Za-z0-9+/_-]{6,}={0,2})", Proof::UserAndPassword),
    ("a bearer token", r"(?i)\bbearer[\s:+]+([A-Za-z0-9._~+/-]{16,}=*)", Proof::Drawn),
    (
        "a password in a URL",
        r#"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@"'<>?#]{0,200}:([^\s/@"'<>]{1,200})@[a-z0-9\[]"#,
        Proof::Given,
    ),
    (
        "a password in a connection string",
        r#"(?i)(?:;|\A)\s*(?:password|pwd)\s*=\s*["'{]?([^;"'{}\s]{3,200})["'}]?\s*(?:;|\z)"#,
        Proof::Given,
    ),
];

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let compiled = |(_, pattern, _): &(&str, &str, Proof)| RegexBuilder::new(pattern).unicode(false).build();
    SHAPES.iter().filter_map(|shape| compiled(shape).ok()).collect()
});

static ANY: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = SHAPES.iter().map(|(_, pattern, _)| *pattern);
    RegexSetBuilder::new(patterns).unicode(false).build().unwrap_or_else(|_| RegexSet::empty())
});

/// Shorter text has no credential of a known shape.
const SHORTEST: usize = 10;

/// The first kind of credential in `text`, in the order of the table.
pub(super) fn find(text: &str) -> Option<&'static str> {
    find_with(text, |_| true)
}

/// As [`find`] without the kinds that have no mark and are known by being drawn at random alone: ids are drawn, too.
pub(super) fn find_marked(text: &str) -> Option<&'static str> {
    find_with(text, |proof| proof != Proof::Mixed)
}

fn find_with(text: &str, counts: impl Fn(Proof) -> bool) -> Option<&'static str> {
    if text.len() < SHORTEST {
        return None;
    }
    let possible = ANY.matches(text.as_bytes());
    let mut shapes = possible.iter().filter_map(|index| SHAPES.get(index).map(|shape| (index, shape)));
    shapes.find(|(index, (_, _, proof))| counts(*proof) && holds(*index, text)).map(|(_, (kind, _, _))| *kind)
}

fn holds(index: usize, text: &str) -> bool {
    let (Some((_, _, proof)), Some(pattern)) = (SHAPES.get(index), PATTERNS.get(index)) else { return false };
    pattern.captures_iter(text.as_bytes()).any(|captures| {
        let judged = captures.get(1).or_else(|| captures.get(0)).map(|group| group.as_bytes()).unwrap_or_default();
        let judged = String::from_utf8_lossy(judged);
        match proof {
            Proof::Shape => !chance::is_filled(&judged),
            Proof::Drawn => chance::is_drawn(&judged),
            Proof::Mixed => chance::is_drawn(&judged) && chance::is_mixed(&judged),
            Proof::UserAndPassword => chance::is_user_and_password(&judged),
            Proof::Given => !chance::is_placeholder(&judged),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!((PATTERNS.len(), ANY.len()), (SHAPES.len(), SHAPES.len()));
        assert!(PATTERNS.iter().all(|pattern| pattern.captures_len() <= 2), "one group at most");
    }
}
