use chrono::DateTime;
use serde_json::json;

use super::*;
use crate::access::Actor;
use crate::audit::{Action, AuditEntry, ChainedEntry, FieldChange};
use crate::correlation::CorrelationId;

fn entry(number: i64) -> AuditEntry {
    AuditEntry {
        at: DateTime::from_timestamp(1_769_831_100 + number, 0).expect("a moment"),
        actor: Actor::local(),
        action: Action::ConnectorUpdated,
        subject: format!("connectors/{number}"),
        connector_id: None,
        reason: None,
        changes: vec![FieldChange { pointer: "/a".to_owned(), before: json!(number), after: json!(number + 1) }],
        correlation_id: CorrelationId::parse("corr-1").expect("an id"),
        source_address: None,
    }
}

type Edit = fn(&mut StoredEntry);

/// The rows of a chain of these entries, and its head.
fn chain(entries: impl IntoIterator<Item = AuditEntry>) -> (Vec<StoredEntry>, AuditHead) {
    let mut head = AuditHead::EMPTY;
    let mut rows = Vec::new();
    for entry in entries {
        let chained = ChainedEntry::append(entry, head.sequence + 1, head.hash);
        rows.push(StoredEntry {
            previous_hash: Some(hex::encode(head.hash)),
            hash: Some(hex::encode(chained.hash)),
            ..StoredEntry::of(&chained.entry, chained.sequence)
        });
        head = chained.head();
    }
    (rows, head)
}

fn kept(head: AuditHead) -> StoredHead {
    StoredHead { sequence: Some(head.sequence), hash: Some(hex::encode(head.hash)) }
}

fn verify(rows: &[StoredEntry], head: Option<&StoredHead>, anchor: Option<AuditHead>) -> Result<AuditHead, ChainFault> {
    let mut verifier = ChainVerifier::new(anchor);
    for row in rows {
        verifier.accept(row)?;
    }
    verifier.finish(head)
}

/// The number that is named.
fn named(rows: &[StoredEntry], head: &StoredHead, anchor: Option<AuditHead>) -> Option<i64> {
    verify(rows, Some(head), anchor).expect_err("a fault").sequence
}

#[test]
fn se_a_5_what_was_written_verifies_with_and_without_an_anchor() {
    let (rows, head) = chain((1..=5).map(entry));
    assert_eq!(verify(&rows, Some(&kept(head)), None), Ok(head));
    for (last, _) in rows.iter().enumerate() {
        let (_, anchor) = chain((1..=5).map(entry).take(last + 1));
        assert_eq!(verify(&rows, Some(&kept(head)), Some(anchor)), Ok(head));
    }
    assert_eq!(verify(&[], Some(&kept(AuditHead::EMPTY)), Some(AuditHead::EMPTY)), Ok(AuditHead::EMPTY));
}

#[test]
fn se_a_5_a_change_of_any_column_is_named() {
    let (rows, head) = chain((1..=5).map(entry));
    let edits: [(&str, Edit); 17] = [
        ("at", |row| row.at = Some("2026-01-31T03:45:03.000000+00:00".to_owned())),
        ("actor", |row| row.actor = None),
        ("actor", |row| row.actor = Some("local\0".to_owned())),
        ("actor_type", |row| row.actor_type = Some("Nobody".to_owned())),
        ("action", |row| row.action = Some("nonsense".to_owned())),
        ("subject", |row| row.subject = Some(String::new())),
        ("connector_id", |row| row.connector_id = Some("x".to_owned())),
        ("reason", |row| row.reason = Some(String::new())),
        ("changes", |row| row.changes = Some("[]".to_owned())),
        ("changes", |row| row.changes = row.changes.as_ref().map(|changes| format!("{changes} "))),
        ("changes", |row| row.changes = Some("no JSON".to_owned())),
        ("changes", |row| row.changes = None),
        ("correlation_id", |row| row.correlation_id = Some("corr-2".to_owned())),
        ("source_address", |row| row.source_address = Some("::1".to_owned())),
        ("previous_hash", |row| row.previous_hash = Some("00".to_owned())),
        ("hash", |row| row.hash = row.hash.as_ref().map(|hash| hash.to_uppercase())),
        ("at", |row| row.unreadable = Some("at")),
    ];
    for (column, edit) in edits {
        for index in 0..rows.len() {
            let mut rows = rows.clone();
            edit(&mut rows[index]);
            let expected = i64::try_from(index + 1).ok();
            assert_eq!(named(&rows, &kept(head), None), expected, "{column} of {}", index + 1);
        }
    }
}

#[test]
fn se_a_5_what_is_deleted_inserted_swapped_or_numbered_anew_is_named() {
    let (rows, head) = chain((1..=5).map(entry));
    let head = kept(head);
    for index in 0..rows.len() {
        let mut rows = rows.clone();
        rows.remove(index);
        assert_eq!(named(&rows, &head, None), i64::try_from(index + 1).ok());
    }
    let mut inserted = rows.clone();
    inserted.insert(2, StoredEntry { sequence: 3, ..rows[0].clone() });
    assert_eq!(named(&inserted, &head, None), Some(3));
    let mut twice = rows.clone();
    twice.insert(2, rows[1].clone());
    assert_eq!(named(&twice, &head, None), Some(2));
    let mut before = rows.clone();
    before.insert(0, StoredEntry { sequence: 0, ..rows[0].clone() });
    assert_eq!(named(&before, &head, None), Some(0));
    let mut swapped = rows.clone();
    swapped.swap(2, 3);
    (swapped[2].sequence, swapped[3].sequence) = (3, 4);
    assert_eq!(named(&swapped, &head, None), Some(3));
    let mut renumbered = rows.clone();
    renumbered.iter_mut().skip(3).for_each(|row| row.sequence += 1);
    assert_eq!(named(&renumbered, &head, None), Some(4));
}

#[test]
fn se_a_5_a_cut_tail_shows_by_the_head_and_else_by_an_anchor() {
    let (rows, head) = chain((1..=5).map(entry));
    let (cut, shorter) = chain((1..=3).map(entry));
    assert_eq!(named(&cut, &kept(head), None), Some(4));
    assert_eq!(verify(&cut, Some(&kept(shorter)), None), Ok(shorter), "nothing in the database tells");
    assert_eq!(named(&cut, &kept(shorter), Some(head)), Some(4));
    assert_eq!(named(&[], &kept(AuditHead::EMPTY), Some(head)), Some(1));
    assert_eq!(named(&rows, &kept(shorter), None), Some(4), "the head was set back");
    assert_eq!(named(&rows, &StoredHead { hash: Some("x".to_owned()), ..kept(head) }, None), Some(5));
    for missing in [None, Some(StoredHead::default())] {
        assert_eq!(verify(&rows, missing.as_ref(), None).expect_err("a fault").sequence, None);
    }
}

#[test]
fn se_a_5_a_chain_written_anew_shows_against_an_anchor() {
    let (_, anchor) = chain((1..=4).map(entry));
    let (rows, head) = chain([1, 2, 9, 4, 5].map(entry));
    assert_eq!(verify(&rows, Some(&kept(head)), None), Ok(head), "nothing in the database tells");
    assert_eq!(named(&rows, &kept(head), Some(anchor)), Some(4));
    let (_, before) = chain((1..=2).map(entry));
    assert_eq!(verify(&rows, Some(&kept(head)), Some(before)), Ok(head), "the anchor is older than the forgery");
}

#[test]
fn a_row_that_hashes_right_and_is_no_entry_is_named() {
    let (mut rows, _) = chain((1..=1).map(entry));
    rows[0].changes = Some("{}".to_owned());
    let hash = rows[0].hash_behind(&GENESIS);
    rows[0].hash = Some(hex::encode(hash));
    assert_eq!(named(&rows, &kept(AuditHead { sequence: 1, hash }), None), Some(1));
}
