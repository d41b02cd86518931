//! The origins whose pages may read answers (IN), each exactly as browsers spell it.

use url::{Host, Url};

use super::AuthConfig;
use super::raw::{self, Raw, Wrong};
use super::settings::{Settings, Sourced};

/// A list of origins. An entry that no browser would ever send is a mistake, and one that stands for many is refused.
pub(super) fn read(raw: &Raw) -> Result<Vec<String>, Wrong> {
    let origins = raw::list(raw)?;
    for origin in &origins {
        let because = match browsers_spell(origin) {
            Some(spelling) if spelling == *origin => continue,
            Some(spelling) => format!("browsers spell this origin \"{spelling}\""),
            None => "every entry is `http` or `https`, `://`, a host, and a port where it has one".to_owned(),
        };
        return Err(Wrong::Because(format!("contains \"{}\"; {because}", origin.escape_debug())));
    }
    Ok(origins)
}

/// The origin of a URL that has nothing else. One with a path would have promised more than it means.
fn browsers_spell(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let alone = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    let no_pattern = !text.contains('*');
    (alone && anonymous && no_pattern).then(|| url.origin().ascii_serialization())
}

/// Without authentication a page that may read answers is admin, so it has to be one of this machine.
pub(super) fn refuse_foreign(
    listed: &Sourced<Vec<String>>,
    auth: &Sourced<Option<AuthConfig>>,
    settings: &mut Settings,
) {
    if auth.value.is_some() {
        return;
    }
    for origin in listed.value.iter().filter(|origin| !is_of_this_machine(origin)) {
        let fault = format!(
            "`cors_allowed_origins` contains \"{origin}\", a page of another machine, and `auth.mode` is `none`, which \
             lets everybody in as admin; set `auth.mode` to `api-key` or list pages of localhost only"
        );
        settings.faults.push(&listed.origin.clone().max(auth.origin.clone()), fault);
    }
}

fn is_of_this_machine(origin: &str) -> bool {
    match Url::parse(origin).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(origin: &str) -> Result<Vec<String>, Wrong> {
        read(&Raw::List(vec![Raw::Text(origin.to_owned())]))
    }

    #[test]
    fn in_an_origin_is_listed_as_browsers_spell_it() {
        for origin in ["https://studio.example.com", "http://localhost:5173", "https://[::1]:8443", "https://10.0.0.7"]
        {
            assert_eq!(judged(origin), Ok(vec![origin.to_owned()]), "{origin}");
        }
        for (origin, spelling) in [
            ("https://studio.example.com/", "https://studio.example.com"),
            ("https://Studio.example.com", "https://studio.example.com"),
            ("HTTPS://studio.example.com", "https://studio.example.com"),
            ("https://studio.example.com:443", "https://studio.example.com"),
            ("http://studio.example.com:80", "http://studio.example.com"),
            ("https://b\u{fc}ro.example", "https://xn--bro-hoa.example"),
        ] {
            let Err(Wrong::Because(reason)) = judged(origin) else { panic!("{origin} is taken") };
            assert!(reason.ends_with(&format!("browsers spell this origin \"{spelling}\"")), "{reason}");
        }
    }

    #[test]
    fn in_what_is_no_single_origin_is_refused() {
        for wrong in [
            "*",
            "null",
            "studio.example.com",
            "https://*.example.com",
            "https://studio.example.com/app",
            "https://studio.example.com?x",
            "https://studio.example.com#x",
            "https://me@studio.example.com",
            "https://",
            "ftp://studio.example.com",
            "file:///x",
            "chrome-extension://abcdef",
            "https://studio.example.com https://b.example",
        ] {
            assert!(matches!(judged(wrong), Err(Wrong::Because(_))), "{wrong}");
        }
    }
}
