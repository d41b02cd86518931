//! Which names tell that a secret stands behind them.

/// Words that tell a secret wherever they stand in a name.
const SECRET: &[&str] = &[
    "apikey",
    "connectionstring",
    "connstr",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "csrf",
    "jwt",
    "kennwort",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "passwort",
    "signature",
    "totp",
    "xsrf",
];

/// How words end that are several in one, as in `ACCESSTOKEN`.
const GLUED: &[&str] = &[
    "accesskey",
    "apikey",
    "connectionstring",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "sessid",
    "sessionid",
    "signature",
    "subscriptionkey",
    "token",
];

/// What stands before `key` where it is one that opens something.
const KEYS: &[&str] = &[
    "access",
    "admin",
    "api",
    "app",
    "auth",
    "authentication",
    "authorization",
    "decryption",
    "developer",
    "encryption",
    "functions",
    "hmac",
    "private",
    "rapidapi",
    "secret",
    "shared",
    "signing",
    "subscription",
    "webhook",
];

/// What stands before `code` where it proves something.
const CODES: &[&str] = &["auth", "authorization", "mfa", "otp"];

/// What stands before `pass` where it is a password, and no ticket and no mark.
const ACCOUNTS: &[&str] = &["admin", "database", "db", "ftp", "login", "mail", "proxy", "root", "smtp", "user"];

/// What stands before `token` where it only says where to read on.
const PAGING: &[&str] = &[
    "change",
    "concurrency",
    "continuation",
    "continue",
    "cursor",
    "delta",
    "next",
    "page",
    "pagination",
    "paging",
    "prev",
    "previous",
    "resume",
    "resumption",
    "scroll",
    "skip",
    "start",
    "starting",
    "sync",
];

/// What stands beside `tokens` where they are counted.
const COUNTS: &[&str] = &[
    "cached",
    "completion",
    "count",
    "input",
    "limit",
    "max",
    "min",
    "number",
    "output",
    "prompt",
    "reasoning",
    "remaining",
    "total",
    "used",
];

/// Sessions that people attend.
const ATTENDED: &[&str] = &["class", "course", "exam", "learning", "meeting", "survey", "training", "workshop"];

/// How a name begins that asks a question.
const QUESTIONS: &[&str] =
    &["allow", "allows", "can", "enable", "has", "is", "must", "needs", "require", "requires", "supports"];

/// How a name ends that is about a secret, and holds none.
const ABOUT: &[&str] = &[
    "age",
    "alg",
    "algorithm",
    "at",
    "attempts",
    "by",
    "category",
    "changed",
    "consent",
    "count",
    "created",
    "date",
    "days",
    "disabled",
    "enabled",
    "expiration",
    "expired",
    "expires",
    "expiry",
    "format",
    "in",
    "issuer",
    "kind",
    "label",
    "length",
    "level",
    "limit",
    "method",
    "minutes",
    "name",
    "on",
    "owner",
    "policy",
    "ref",
    "reference",
    "required",
    "scheme",
    "seconds",
    "size",
    "state",
    "status",
    "strength",
    "time",
    "timestamp",
    "ttl",
    "type",
    "updated",
    "used",
    "validity",
    "version",
];

/// Pairs of words in names that hold no secret.
const HARMLESS: &[(&str, &str)] = &[
    ("credential", "id"),
    ("signature", "id"),
    ("token", "endpoint"),
    ("token", "uri"),
    ("token", "url"),
    ("trade", "secret"),
    ("trade", "secrets"),
];

/// Whether a header, query parameter or JSON member of this name holds a secret. Its words decide, however they are put
/// together: `db_password`, `X-Vault-Token` and `connectionString` do; `nextPageToken`, `signatureDate` and `primaryKey`
/// do not.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    // What a name tells stands at its end; one that is longer is no name that anybody gave.
    let end = &name[name.ceil_char_boundary(name.len().saturating_sub(LONGEST))..];
    let words = split(end);
    // `password2` is a `password`.
    let words = words.split('-').map(|word| word.trim_end_matches(|last: char| last.is_ascii_digit()));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    (0..words.len()).any(|at| tells(&words, at)) && !only_about(&words)
}

/// How much of a name is looked at, in bytes.
const LONGEST: usize = 256;

/// The words in lower case, with `-` between them.
fn split(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    let mut characters = name.chars().peekable();
    let mut before = '-';
    while let Some(character) = characters.next() {
        if !character.is_alphanumeric() {
            words.push('-');
        } else if character.is_uppercase() {
            let ends_capitals = before.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase());
            if before.is_lowercase() || before.is_numeric() || ends_capitals {
                words.push('-');
            }
            words.extend(character.to_lowercase());
        } else {
            words.push(character);
        }
        before = character;
    }
    words
}

fn tells(words: &[&str], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| words.get(before)).copied().unwrap_or_default();
    let last = at + 1 == words.len();
    match words[at] {
        "token" => !PAGING.contains(&before),
        "tokens" => !words.iter().any(|word| COUNTS.contains(word)),
        "secret" | "secrets" => true,
        "auth" | "bearer" => words.len() == 1 || (last && words[0] == "x"),
        // `workAuthorization` is a field of a person.
        "authorization" => last && matches!(words[0], "authorization" | "header" | "headers" | "http" | "proxy" | "x"),
        "assertion" => before == "client",
        "code" | "codes" => CODES.contains(&before),
        "id" => before == "session" && !(at >= 2 && ATTENDED.contains(&words[at - 2])),
        "info" => before == "authentication",
        "key" | "keys" => KEYS.contains(&before),
        // In HR data `pwd_employees` are persons with disabilities.
        "otp" | "pwd" | "sig" => last,
        "pass" => ACCOUNTS.contains(&before),
        "response" => before == "saml",
        "string" => matches!(before, "conn" | "connection"),
        "verifier" => matches!(before, "code" | "oauth"),
        word => SECRET.contains(&word) || GLUED.iter().any(|end| word.ends_with(end) && !pages(word)),
    }
}

fn pages(word: &str) -> bool {
    word.strip_suffix("token").is_some_and(|rest| PAGING.iter().any(|paging| rest.ends_with(paging)))
}

fn only_about(words: &[&str]) -> bool {
    let [first, .., last] = words else { return false };
    let about = QUESTIONS.contains(first) || ABOUT.contains(last);
    about || words.windows(2).any(|pair| HARMLESS.contains(&(pair[0], pair[1])))
}
