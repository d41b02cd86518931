//! The store of files.

use std::fs;
use std::os::unix::fs::symlink;

use application::ports::SecretError;
use infrastructure::secrets::FileStore;
use rstest::rstest;
use tempfile::TempDir;

use super::{not_found, resolve};

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }
    directory
}

fn store(directory: &TempDir) -> FileStore {
    FileStore::new(directory.path().to_owned())
}

#[rstest]
#[case(b"s3cret", Ok("s3cret"))]
#[case(b"s3cret\n", Ok("s3cret"))]
#[case(b"s3cret\r\n", Ok("s3cret"))]
#[case(b"s3cret\n\n", Ok("s3cret\n"))]
#[case(b" s3cret \n", Ok(" s3cret "))]
#[case(b"s3cret\r", Ok("s3cret\r"))]
#[case("zażółć".as_bytes(), Ok("zażółć"))]
#[case(b"", Err("is empty"))]
#[case(b"\n", Err("is empty"))]
#[case(b"\xff\xfe", Err("is not UTF-8 text"))]
#[tokio::test]
async fn one_newline_at_the_end_is_not_part_of_the_value(#[case] content: &[u8], #[case] expected: Result<&str, &str>) {
    let directory = directory(&[("key", content)]);
    let expected = expected.map(str::to_owned).or_else(|what| not_found(&format!("the secret `s:key` {what}")));
    assert_eq!(resolve(&store(&directory), "s:key").await, expected);
}

#[tokio::test]
async fn a_secret_has_at_most_64_kib() {
    let fits = "a".repeat(64 * 1024);
    let files = [("fits", format!("{fits}\r\n")), ("one-more", format!("{fits}a")), ("huge", "ä".repeat(1024 * 1024))];
    let directory = directory(&files.each_ref().map(|(name, content)| (*name, content.as_bytes())));
    assert_eq!(resolve(&store(&directory), "s:fits").await, Ok(fits));
    for name in ["one-more", "huge"] {
        let expected = not_found(&format!("the secret `s:{name}` is too large: a secret has at most 64 KiB"));
        assert_eq!(resolve(&store(&directory), &format!("s:{name}")).await, expected);
    }
}

#[rstest]
#[case("s:client#clientSecret", Ok("s"))]
#[case("s:client#empty", Err("is empty"))]
#[case("s:client#number", Err("is not a JSON string"))]
#[case("s:client#other", Err("has no such field"))]
#[case("s:plain#other", Err("is not a JSON object, so it has no fields"))]
#[case("s:list#0", Err("is not a JSON object, so it has no fields"))]
#[case("s:plain@1", Err("names a version, and a directory of files keeps no versions"))]
#[case("s:missing", Err("does not exist"))]
#[case("s:plain/below", Err("does not exist"))]
#[case("s:team", Err("is not a file"))]
#[case("s:team/hr/key", Ok("k"))]
#[tokio::test]
async fn se_s_1_a_reference_names_a_file_and_a_field(#[case] reference: &str, #[case] expected: Result<&str, &str>) {
    let directory = directory(&[
        ("client", br#"{"clientSecret":"s","empty":"","number":7}"#),
        ("plain", b"text"),
        ("list", br#"["a"]"#),
        ("team/hr/key", b"k"),
    ]);
    let expected = expected.map(str::to_owned).or_else(|what| not_found(&format!("the secret `{reference}` {what}")));
    assert_eq!(resolve(&store(&directory), reference).await, expected);
}

/// A projected volume: `key -> ..data/key`, `..data -> ..2026_01_31`; a rotation swaps `..data`.
#[tokio::test]
async fn se_s_6_kubernetes_links_are_followed_and_a_rotation_is_seen_at_once() {
    let directory = directory(&[("..first/key", b"old\n"), ("..second/key", b"new\n")]);
    symlink("..first", directory.path().join("..data")).expect("a link");
    symlink("..data/key", directory.path().join("key")).expect("a link");
    let store = store(&directory);
    assert_eq!(resolve(&store, "s:key").await.as_deref(), Ok("old"));
    symlink("..second", directory.path().join("..next")).expect("a link");
    fs::rename(directory.path().join("..next"), directory.path().join("..data")).expect("a swap");
    assert_eq!(resolve(&store, "s:key").await.as_deref(), Ok("new"));
}

#[tokio::test]
async fn a_link_out_of_the_directory_is_not_followed() {
    let outside = directory(&[("target", b"not yours"), ("inner/key", b"not yours")]);
    let directory = directory(&[]);
    symlink(outside.path().join("target"), directory.path().join("file")).expect("a link");
    symlink(outside.path().join("inner"), directory.path().join("folder")).expect("a link");
    symlink("nowhere", directory.path().join("dangling")).expect("a link");
    let store = store(&directory);
    for reference in ["s:file", "s:folder/key"] {
        let expected = not_found(&format!("the secret `{reference}` lies outside of the store's directory"));
        assert_eq!(resolve(&store, reference).await, expected);
    }
    assert_eq!(resolve(&store, "s:dangling").await, not_found("the secret `s:dangling` does not exist"));
}

#[tokio::test]
async fn the_directory_itself_may_be_a_link() {
    let directory = directory(&[("real/key", b"k")]);
    symlink("real", directory.path().join("link")).expect("a link");
    assert_eq!(resolve(&FileStore::new(directory.path().join("link")), "s:key").await.as_deref(), Ok("k"));
}

#[tokio::test]
async fn se_s_3_a_store_that_is_not_there_is_unavailable() {
    let directory = directory(&[]);
    let store = FileStore::new(directory.path().join("missing"));
    let text = "the secret `s:key` could not be read: the store's directory is missing or not readable";
    assert_eq!(resolve(&store, "s:key").await, Err(SecretError::Unavailable(text.to_owned())));
}

#[tokio::test]
async fn se_s_3_a_file_that_cannot_be_read_is_unavailable() {
    let directory = directory(&[]);
    symlink("key", directory.path().join("key")).expect("a link to itself");
    let text = "the secret `s:key` could not be read";
    assert_eq!(resolve(&store(&directory), "s:key").await, Err(SecretError::Unavailable(text.to_owned())));
}
