//! The TOML file, read with the place of every key and value.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Origin;
use super::keys;
use super::raw::Raw;
use super::settings::Settings;

/// Lays the file over what is there already.
pub(crate) fn read(path: &Path, text: &str, settings: &mut Settings) {
    let source = Source { path: Arc::from(path), text };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let origin = source.origin(error.span().map_or(text.len(), |span| span.start));
        settings.faults.push(&origin, format!("this is not TOML: {}", error.message()));
    }
    // What was recovered from a broken file would only add faults that are none.
    if errors.is_empty() {
        source.read_table("", table.get_ref(), settings);
    }
}

struct Source<'a> {
    path: Arc<Path>,
    text: &'a str,
}

impl Source<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let line = 1 + self.text.get(..offset).unwrap_or(self.text).matches('\n').count();
        Origin::File(Arc::clone(&self.path), line)
    }

    fn read_table(&self, section: &str, table: &DeTable<'_>, settings: &mut Settings) {
        for (name, value) in table {
            let name_origin = self.origin(name.span().start);
            let path = join(section, name.get_ref());
            if section == keys::STORES {
                self.read_store(name.get_ref(), value, &name_origin, settings);
            } else if let Some(key) = keys::find(&path) {
                let origin = self.origin(value.span().start);
                settings.set(key, Raw::of(value.get_ref()), origin);
            } else if let DeValue::Table(members) = value.get_ref() {
                self.read_section(&path, members, &name_origin, settings);
            } else if keys::is_section(&path) {
                let fault = format!("`{path}` is a section: write `[{path}]`, and its keys in the lines below");
                settings.faults.push(&name_origin, fault);
            } else {
                settings.faults.push(&name_origin, unknown(&path));
            }
        }
    }

    fn read_section(&self, path: &str, members: &DeTable<'_>, origin: &Origin, settings: &mut Settings) {
        if keys::is_section(path) || !members.is_empty() {
            self.read_table(path, members, settings);
        } else {
            settings.faults.push(origin, format!("there is no section `[{path}]`"));
        }
    }

    fn read_store(&self, name: &str, value: &Spanned<DeValue<'_>>, origin: &Origin, settings: &mut Settings) {
        let DeValue::Table(members) = value.get_ref() else {
            let fault = format!("a secret store is a section: write `[secret_stores.{name}]`, and `kind` below it");
            settings.faults.push(origin, fault);
            return;
        };
        settings.store(name, origin);
        for (member, value) in members {
            let origin = self.origin(value.span().start);
            settings.store(name, &origin).set(member.get_ref(), Raw::of(value.get_ref()), origin.clone());
        }
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn unknown(path: &str) -> String {
    let Some(key) = keys::nearest(path) else { return format!("there is no key `{path}`") };
    let place = match key.path.rsplit_once('.') {
        Some((section, _)) if !path.starts_with(&format!("{section}.")) => format!(" in the section `[{section}]`"),
        None if path.contains('.') => ", which stands above the first section".to_owned(),
        _ => String::new(),
    };
    format!("there is no key `{path}`; did you mean `{}`{place}?", key.path)
}
