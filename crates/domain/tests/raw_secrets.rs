//! How many secrets are caught, and how many texts are refused that hold none (SE-S-4). The figures are printed; those of
//! `docs/security.md` are from here.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::connector::ConnectorDraft;
use domain::fault::{FaultCode, Faults, pointer_to};
use domain::raw_secret;
use serde_json::json;

const PLANTED: &str = include_str!("raw_secrets/planted.tsv");
const BENIGN: &str = include_str!("raw_secrets/benign.txt");
const LATER: &str = include_str!("raw_secrets/later.txt");

/// Values of each template.
const VALUES: usize = 5;

/// Makes up characters, the same ones every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).expect("31 bits") % end
    }

    fn of(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }

    fn made_up(&mut self, class: &str, length: usize) -> String {
        const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
        const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const DIGIT: &str = "0123456789";
        match class {
            "digit" => self.of(DIGIT, length),
            "hex" => self.of("0123456789abcdef", length),
            "HEX" => self.of("0123456789ABCDEF", length),
            "upnum" => self.of(&[UPPER, DIGIT].concat(), length),
            "lownum" => self.of(&[LOWER, DIGIT].concat(), length),
            "base32" => self.of(&[UPPER, "234567"].concat(), length),
            "letters" => self.of(&[LOWER, UPPER].concat(), length),
            "alnum" => self.of(&[LOWER, UPPER, DIGIT].concat(), length),
            "base64" => self.of(&[LOWER, UPPER, DIGIT, "+/"].concat(), length),
            "base64url" => self.of(&[LOWER, UPPER, DIGIT, "-_"].concat(), length),
            "uuid" => [8, 4, 4, 4, 12].map(|part| self.of("0123456789abcdef", part)).join("-"),
            "userpass" => STANDARD.encode(format!("reader:{}", self.made_up("password", length - 7))),
            "password" => {
                let parts = [self.of(UPPER, 2), self.of(LOWER, length - 5), self.of(DIGIT, 2), self.of("!#$*", 1)];
                let mut characters: Vec<char> = parts.concat().chars().collect();
                for last in (1..characters.len()).rev() {
                    let other = self.below(last + 1);
                    characters.swap(last, other);
                }
                characters.into_iter().collect()
            }
            "weak" => {
                let word = ["summer", "Winter", "welcome", "Dragon", "monkey"][self.below(5)];
                format!("{word}{}", self.of(DIGIT, length - word.len()))
            }
            other => panic!("no class {other}"),
        }
    }

    fn part(&mut self, part: &str) -> String {
        let made_up =
            part.strip_prefix('{').and_then(|part| part.strip_suffix('}')).and_then(|part| part.split_once(':'));
        match made_up.and_then(|(class, length)| Some((class, length.parse().ok()?))) {
            Some((class, length)) => self.made_up(class, length),
            None => part.replace("\\n", "\n"),
        }
    }
}

fn planted() -> Vec<(&'static str, String)> {
    let mut chance = Chance(0x0e56_c011);
    let templates = PLANTED.lines().filter(|line| !line.starts_with('#'));
    let mut planted = Vec::new();
    for template in templates {
        let (kind, parts) = template.split_once('\t').expect("a kind and parts");
        for _ in 0..VALUES {
            planted.push((kind, parts.split('\t').map(|part| chance.part(part)).collect()));
        }
    }
    planted
}

/// The places of a secret: alone, and where people leave it.
fn places(secret: &str) -> [(&'static str, String); 4] {
    [
        ("alone", secret.to_owned()),
        ("in a description", format!("Reads the meters of WAW-03 with {secret} since May; ask Ana Nowak (ext. 4471).")),
        ("in a URL", format!("https://api.example.com/v1/sites?page=2&x={}&y=1", percent_encoded(secret))),
        ("in JSON", json!({ "site": "WAW-03", "note": secret, "unit": "kWh" }).to_string()),
    ]
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn benign(corpus: &str) -> Vec<String> {
    corpus
        .lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| line.replace("\\n", "\n").replace("\\t", "\t"))
        .collect()
}

#[test]
fn se_s_4_at_least_98_percent_of_planted_secrets_are_caught() {
    let mut kinds: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut missed = Vec::new();
    let planted = planted();
    for (kind, secret) in &planted {
        for (place, text) in places(secret) {
            let (caught, all) = kinds.entry(kind).or_default();
            *all += 1;
            if raw_secret::find(&text).is_some() {
                *caught += 1;
            } else {
                missed.push(format!("{kind} {place}: {text}"));
            }
        }
    }
    let (caught, all) = kinds.values().fold((0, 0), |(caught, all), kind| (caught + kind.0, all + kind.1));
    let mut report = std::io::stderr().lock();
    for (kind, (caught, all)) in &kinds {
        writeln!(report, "{kind}: {caught} of {all}").expect("a report");
    }
    writeln!(report, "{} secrets of {} kinds: {caught} of {all} texts caught", planted.len(), kinds.len())
        .expect("a report");
    assert!(kinds.len() >= 25 && planted.len() >= 300);
    assert!(caught * 100 >= all * 98, "{} missed:\n{}", missed.len(), missed.join("\n"));
    let unknown: Vec<_> = kinds.iter().filter(|(_, (caught, all))| caught * 2 < *all).collect();
    assert!(unknown.is_empty(), "hardly caught at all: {unknown:?}\n{}", missed.join("\n"));
    writeln!(report, "{}", missed.join("\n")).expect("a report");
}

#[test]
fn se_s_4_at_most_1_percent_of_benign_texts_are_refused() {
    for (corpus, least) in [(BENIGN, 300), (LATER, 100)] {
        let benign = benign(corpus);
        let refused: Vec<String> =
            benign.iter().filter_map(|text| raw_secret::find(text).map(|kind| format!("{text:?} as {kind}"))).collect();
        let refused_texts = refused.join("\n");
        writeln!(std::io::stderr(), "{} benign texts: {} refused\n{refused_texts}", benign.len(), refused.len())
            .expect("a report");
        assert!(benign.len() >= least, "{}", benign.len());
        assert!(refused.len() * 100 <= benign.len(), "{refused_texts}");
    }
}

fn found(faults: &Faults) -> Vec<(&str, &str)> {
    faults.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect()
}

#[test]
fn se_s_4_a_name_that_is_a_secret_is_not_pointed_to_whatever_is_wrong_with_it() {
    let secret = Chance(7).part("{alnum:36}");
    let mut faults = Faults::new();
    for name in [format!("{}{secret}", "ghp_"), format!("site/token={secret}~")] {
        faults.push(pointer_to(&pointer_to("/a", name), "b"), FaultCode::Type, "text");
    }
    faults.push("/authenticationSettings/clientSecret", FaultCode::UnknownMember, "unknown");
    let expected = [("/a", "type"), ("/a", "type"), ("/authenticationSettings/clientSecret", "unknown-member")];
    assert_eq!(found(&faults), expected);
}

#[test]
fn se_s_4_a_raw_secret_comes_first_and_has_no_other_fault() {
    let secret = Chance(8).part("{alnum:36}");
    let mut draft = ConnectorDraft {
        authentication_type: Some("Bearer".to_owned()),
        authentication_secret_ref: Some(secret.clone()),
        authentication_settings: Some(json!({ "nested": [{ "password": secret }] })),
        ..ConnectorDraft::default()
    };
    draft.faults.push("/authenticationSecretRef", FaultCode::Type, "found while reading");
    draft.faults.push("/name", FaultCode::Type, "found while reading");
    draft.refuse_raw_secrets();
    let faults = draft.parse().expect_err("refused");
    let expected = [
        ("/authenticationSecretRef", "raw-secret-detected"),
        ("/authenticationSettings/nested/0/password", "raw-secret-detected"),
        ("/name", "type"),
        ("/connectorType", "required"),
        ("/endpointBaseUrl", "required"),
        ("/authenticationSettings/nested", "unknown-member"),
        ("/capabilities", "required"),
    ];
    assert_eq!(found(&faults), expected);
    assert!(!faults.to_string().contains(&secret));
}

#[test]
fn se_s_4_a_reference_is_no_secret_and_a_secret_is_no_reference() {
    for reference in ["SecretStore:HR-Client#field@2", "vault:kv/prod/esg/hr-api-2025#password", "env:ESG_HR_TOKEN"] {
        assert_eq!(raw_secret::find_for_reference(reference), None, "{reference}");
    }
    let mut chance = Chance(9);
    for class in ["{alnum:20}", "{hex:32}", "{uuid:36}", "{base64:40}", "{password:12}", "{weak:10}"] {
        for _ in 0..20 {
            let secret = chance.part(class);
            assert!(raw_secret::find_for_reference(&secret).is_some(), "{class}: {secret}");
        }
    }
}

#[test]
fn se_s_4_an_id_that_is_drawn_at_random_is_no_secret_where_an_id_belongs() {
    let mut chance = Chance(10);
    for _ in 0..20 {
        let (drawn, marked) = (chance.part("{alnum:40}"), format!("{}{}", "ghp_", chance.part("{alnum:36}")));
        for member in ["clientId", "audience"] {
            let refused = |value: &str| {
                let settings = Some(json!({ member: value }));
                let mut draft = ConnectorDraft { authentication_settings: settings, ..ConnectorDraft::default() };
                draft.refuse_raw_secrets();
                draft.faults.is_raw_secret(&pointer_to("/authenticationSettings", member))
            };
            assert!(!refused(&drawn), "{member}: {drawn}");
            assert!(refused(&marked), "{member}: {marked}");
            assert!(refused(&format!("{drawn} {marked}")), "{member}: {marked} behind an id");
        }
    }
}

#[test]
fn se_s_4_the_name_of_a_secret_of_aws_is_no_secret() {
    for text in [
        "AWS secret: arn:aws:secretsmanager:eu-central-1:123456789012:secret:esg/hr-AbCdEf",
        "Secret is arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:esg/hr-9xK2mQ, see the runbook",
        "secretArn=arn:aws:secretsmanager:eu-central-1:123456789012:secret:esg/hr-AbCdEf",
    ] {
        assert_eq!(raw_secret::find(text), None, "{text}");
    }
    assert!(raw_secret::find("arn:aws:iam::123456789012:role/esg secret=q7RkZ2mVx9Lt").is_some());
}

#[test]
fn se_s_4_a_megabyte_that_is_made_to_be_slow_is_judged_in_seconds() {
    let secret = format!("{}{}", "ghp_", Chance(11).part("{alnum:36}"));
    let slow = "token:".repeat(50_000);
    let mut below: Vec<_> = (0..100).map(|_| json!(secret)).collect();
    below.extend((0..200_000).map(|number| json!(number)));
    let mut draft = ConnectorDraft {
        mapping_configuration: Some(json!({ "a": below.clone(), slow.clone(): below })),
        description: Some(slow),
        ..ConnectorDraft::default()
    };
    let begun = Instant::now();
    draft.refuse_raw_secrets();
    let took = begun.elapsed();
    writeln!(std::io::stderr(), "a megabyte that is made to be slow took {took:?}").expect("a report");
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(draft.faults.is_raw_secret("/mappingConfiguration/a/99"));
    assert!(draft.faults.total() >= 100);
}

#[test]
fn se_s_4_names_that_were_not_looked_at_are_not_pointed_to() {
    let mut faults = Faults::new();
    for index in 0..100 {
        let parent = (0..8).fold(String::new(), |parent, _| pointer_to(&parent, "deep ".repeat(100)));
        faults.push(pointer_to(&parent, index), FaultCode::Type, "text");
    }
    let shown: usize = faults.iter().map(|fault| fault.pointer.len()).sum();
    assert!(faults.iter().next().is_some_and(|fault| fault.pointer.ends_with("/0")));
    assert!(faults.iter().last().is_some_and(|fault| fault.pointer.is_empty()));
    assert!(shown < 128 * 1024, "{shown}");
}
