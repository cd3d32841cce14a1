//! Image references as Docker and containerd understand them.
//!
//! Grammar and defaults follow
//! [distribution/reference](https://github.com/distribution/reference/blob/main/normalize.go): `postgres:16`
//! is `docker.io/library/postgres:16`. A missing tag stays empty, so that a policy can distinguish `postgres`
//! from `postgres:latest`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

/// The maximum length of registry and repository together, in bytes.
const MAX_NAME_LENGTH: usize = 255;
/// The maximum length of a tag, in bytes.
const MAX_TAG_LENGTH: usize = 128;

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImageError {
    /// Registry and repository together are longer than registries accept.
    #[error("an image name of {0} bytes is too long: at most {MAX_NAME_LENGTH} are allowed")]
    TooLong(usize),
    /// The part before the first slash looks like a registry but is not a valid one.
    #[error("image {image:?}: {registry:?} is not a registry: write a host such as ghcr.io:443")]
    Registry {
        /// The whole reference.
        image: String,
        /// The part in place of the registry.
        registry: String,
    },
    /// The repository is missing or contains invalid characters.
    #[error(
        "image {image:?}: {repository:?} is not a repository: write lower-case letters and \
         digits, in parts separated by / and within them by one of . _ __ -"
    )]
    Repository {
        /// The whole reference.
        image: String,
        /// The part in place of the repository.
        repository: String,
    },
    /// The text after the colon is not a valid tag.
    #[error(
        "image {image:?}: {tag:?} is not a tag: write at most {MAX_TAG_LENGTH} letters, digits \
         and _ . - without . or - at the start"
    )]
    Tag {
        /// The whole reference.
        image: String,
        /// The part in place of the tag.
        tag: String,
    },
    /// The text after the at sign is not a valid digest.
    #[error("image {image:?}: {digest:?} is not a digest: write sha256: and 64 hex digits")]
    Digest {
        /// The whole reference.
        image: String,
        /// The part in place of the digest.
        digest: String,
    },
}

/// An image reference split into its parts. Displays as the full name: `docker.io/library/postgres:16`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageRef {
    /// The registry host, with its port if one is given; `docker.io` by default.
    pub registry: String,
    /// The path within the registry: `library/postgres` for `postgres`.
    pub repository: String,
    /// The tag; empty if there is none.
    pub tag: String,
    /// The digest with its algorithm, `sha256:…`; empty if there is none.
    pub digest: String,
}

/// The software version in a tag: `16.4-alpine` is 16.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number, if the tag has one.
    pub minor: Option<u64>,
    /// The third number, if the tag has one.
    pub patch: Option<u64>,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.major)?;
        for part in [self.minor, self.patch].into_iter().flatten() {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

impl ImageRef {
    /// Parses a container's `image` and fills in the same defaults as Docker.
    ///
    /// # Errors
    /// Names the invalid part. Such an image could not be pulled.
    pub fn parse(text: &str) -> Result<ImageRef, ImageError> {
        let image = || text.to_owned();
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, digest),
            Some((_, digest)) => {
                return Err(ImageError::Digest { image: image(), digest: digest.to_owned() });
            }
            None => (text, ""),
        };
        // A colon before a slash belongs to the registry's port.
        let (name, tag) = match rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((name, tag)) if is_tag(tag) => (name, tag),
            Some((_, tag)) => {
                return Err(ImageError::Tag { image: image(), tag: tag.to_owned() });
            }
            None => (rest, ""),
        };
        let (registry, path) = split_registry(name);
        if !is_registry(registry) {
            return Err(ImageError::Registry { image: image(), registry: registry.to_owned() });
        }
        if !path.split('/').all(is_path_component) {
            return Err(ImageError::Repository { image: image(), repository: path.to_owned() });
        }
        let official = registry == "docker.io" && !path.contains('/');
        let repository = if official { format!("library/{path}") } else { path.to_owned() };
        let name_length = registry.len() + 1 + repository.len();
        if name_length > MAX_NAME_LENGTH {
            return Err(ImageError::TooLong(name_length));
        }
        Ok(ImageRef {
            registry: registry.to_owned(),
            repository,
            tag: tag.to_owned(),
            digest: digest.to_owned(),
        })
    }

    /// The last segment of the repository, which usually names the software: `postgres`.
    #[must_use]
    pub fn basename(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// The version in the tag: the numbers before the first `-` or `_`, after an optional `v`. `None` for
    /// tags of another shape (`latest`, `pg16.4`, `17beta1`), which have no defined order.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        let numbers = numbers(self.words().next()?)?;
        Some(Version {
            major: *numbers.first()?,
            minor: numbers.get(1).copied(),
            patch: numbers.get(2).copied(),
        })
    }

    /// All numbers of the version. If the tag contains the word `PREFIX16.4`, these are its numbers.
    #[must_use]
    pub fn release(&self, prefix: Option<&str>) -> Option<Vec<u64>> {
        let prefixed = |word: &str| numbers(word.strip_prefix(prefix?)?);
        self.words().find_map(prefixed).or_else(|| numbers(self.words().next()?))
    }

    /// The words of the tag that are not a version: `alpine` for `16.4-alpine3.20`, `debian` for
    /// `16.4.0-debian-12-r1`. Drops trailing numbers of a word, which are its own release, and the word
    /// `PREFIX16.4`.
    #[must_use]
    pub fn flavour(&self, prefix: Option<&str>) -> String {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let is_version =
            |word: &str| prefix.is_some_and(|prefix| word.strip_prefix(prefix).and_then(numbers).is_some());
        let name = |word| str::trim_matches(word, is_number);
        // `r1` is a packaging revision, `latest` is not a flavour, and a word with digits inside is a hash.
        let tells = |name: &&str| {
            name.len() > 1 && *name != "latest" && name.bytes().all(|byte| byte.is_ascii_alphabetic())
        };
        let words = self.words().filter(|word| !is_version(word)).map(name).filter(tells);
        words.collect::<Vec<_>>().join("-")
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.tag.strip_prefix('v').unwrap_or(&self.tag).split(['-', '_'])
    }
}

/// Parses `16.4` into its numbers.
fn numbers(text: &str) -> Option<Vec<u64>> {
    text.split('.').map(str::parse).collect::<Result<_, _>>().ok()
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if !self.tag.is_empty() {
            write!(f, ":{}", self.tag)?;
        }
        if !self.digest.is_empty() {
            write!(f, "@{}", self.digest)?;
        }
        Ok(())
    }
}

fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some(("index.docker.io", path)) => ("docker.io", path),
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (first, path),
        _ => ("docker.io", name),
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_ipv6 =
        |inner: &str| !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
    let host_is_valid = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => is_ipv6(inner),
        None => host.split('.').all(is_label),
    };
    host_is_valid && port.is_none_or(|port| !port.is_empty() && all_digits(port))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Lower-case words separated by one `.`, one or two `_`, or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    text.bytes().next().is_some_and(is_word)
        && text.bytes().last().is_some_and(is_word)
        && separators.all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=MAX_TAG_LENGTH).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(is_allowed)
}

/// An algorithm name and hex digits: 64 of them for sha256, at least 32 for any other algorithm.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let enough = if algorithm == "sha256" { hex.len() == 64 } else { hex.len() >= 32 };
    enough
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        && algorithm.split(['-', '_', '+', '.']).all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHA: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn image(text: &str) -> ImageRef {
        ImageRef::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn fills_in_what_docker_would() {
        for (text, full) in [
            ("postgres", "docker.io/library/postgres"),
            ("postgres:16.4", "docker.io/library/postgres:16.4"),
            ("bitnami/redis:7.2", "docker.io/bitnami/redis:7.2"),
            ("docker.io/postgres", "docker.io/library/postgres"),
            ("index.docker.io/postgres", "docker.io/library/postgres"),
            ("localhost/postgres", "localhost/postgres"),
            ("localhost:5000/pg:1", "localhost:5000/pg:1"),
            ("registry:5000/a/b/c:t", "registry:5000/a/b/c:t"),
            ("ghcr.io/cloudnative-pg/postgresql:16", "ghcr.io/cloudnative-pg/postgresql:16"),
            ("Registry.Example/a__b/c---d.e_f", "Registry.Example/a__b/c---d.e_f"),
            ("[fd00::1]:5000/pg", "[fd00::1]:5000/pg"),
            ("[fd00::1]/pg", "[fd00::1]/pg"),
        ] {
            assert_eq!(image(text).to_string(), full, "{text}");
        }
        let pinned = image(&format!("postgres:16@{SHA}"));
        assert_eq!((pinned.tag.as_str(), pinned.digest.as_str()), ("16", SHA));
        assert_eq!(image(&format!("postgres@{SHA}")).tag, "");
    }

    #[test]
    fn takes_the_basename() {
        assert_eq!(image("postgres").basename(), "postgres");
        assert_eq!(image("quay.io/a/b/mysql-server:8").basename(), "mysql-server");
    }

    #[test]
    fn reads_the_version_from_the_tag() {
        let version = |tag: &str| {
            let version = image(&format!("db:{tag}")).version()?;
            Some((version.major, version.minor, version.patch))
        };
        assert_eq!(version("16.4-alpine"), Some((16, Some(4), None)));
        assert_eq!(version("v1.2.3"), Some((1, Some(2), Some(3))));
        assert_eq!(version("7.0"), Some((7, Some(0), None)));
        assert_eq!(version("8"), Some((8, None, None)));
        assert_eq!(version("8.0.36-debian-12-r5"), Some((8, Some(0), Some(36))));
        assert_eq!(version("24.3.1.2672"), Some((24, Some(3), Some(1))));
        assert_eq!(version("17.0.1_12"), Some((17, Some(0), Some(1))));
        assert_eq!(version("2024-01"), Some((2024, None, None)));
        for tag in [
            "latest",
            "pg16.4",
            "17beta1",
            "16.x",
            "16.",
            "v",
            "vv1",
            "bookworm",
            "7abc123",
            "99999999999999999999",
            "RELEASE.2024-01-16T16-07-38Z",
        ] {
            assert_eq!(version(tag), None, "{tag}");
        }
        assert_eq!(image("postgres").version(), None);
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let error = |text: &str| ImageRef::parse(text).unwrap_err();
        for text in ["", ":16", "Postgres", "a//b", "a/", "/a", "a b", "a.-b", "-a", "a___b", "é"] {
            assert!(matches!(error(text), ImageError::Repository { .. }), "{text:?}");
        }
        for text in ["-x.io/a", "x..io/a", "x.io:/a", "x.io:port/a", ".io/a", "[xyz]:1/a"] {
            assert!(matches!(error(text), ImageError::Registry { .. }), "{text:?}");
        }
        for text in ["a:", "a:-x", "a:.x", "a:x y", "a:é", &format!("a:{}", "x".repeat(129))] {
            assert!(matches!(error(text), ImageError::Tag { .. }), "{text:?}");
        }
        for text in ["a@", "a@sha256:12", "a@16", &format!("a@{SHA}0"), &format!("a@{SHA}@{SHA}")] {
            assert!(matches!(error(text), ImageError::Digest { .. }), "{text:?}");
        }
        assert_eq!(error(&"a".repeat(300)), ImageError::TooLong(318));
        assert_eq!(
            error("postgres:").to_string(),
            "image \"postgres:\": \"\" is not a tag: write at most 128 letters, digits and \
             _ . - without . or - at the start"
        );
    }

    #[test]
    fn release_and_flavour_are_read_from_the_tag() {
        for (tag, prefix, release, flavour) in [
            ("16.4-alpine3.20", None, Some(vec![16, 4]), "alpine"),
            ("16", None, Some(vec![16]), ""),
            ("16.4.0-debian-12-r1", None, Some(vec![16, 4, 0]), "debian"),
            ("3-management-alpine", None, Some(vec![3]), "management-alpine"),
            ("v3.5.9", None, Some(vec![3, 5, 9]), ""),
            ("8.0.36.1_ubi9", None, Some(vec![8, 0, 36, 1]), "ubi"),
            ("2.17.0-pg16.4-oss", Some("pg"), Some(vec![16, 4]), "oss"),
            ("pg16", Some("pg"), Some(vec![16]), ""),
            ("alpine", None, None, "alpine"),
            ("latest", None, None, ""),
            ("17beta1", None, None, "beta"),
            ("3f9a2bc", None, None, ""),
            ("16-3.4-bookworm", None, Some(vec![16]), "bookworm"),
            ("99999999999999999999", None, None, ""),
        ] {
            let image = ImageRef::parse(&format!("postgres:{tag}")).unwrap();
            assert_eq!((image.release(prefix), image.flavour(prefix).as_str()), (release, flavour), "{tag}");
        }
        let untagged = ImageRef::parse("postgres").unwrap();
        assert_eq!((untagged.release(None), untagged.flavour(None)), (None, String::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn never_panics(text: String, near in "[a-zA-Z0-9.:/@_\\[\\]-]{0,40}") {
            for text in [&text, &near] {
                if let Ok(image) = ImageRef::parse(text) {
                    let _ = (image.basename(), image.version());
                    prop_assert_eq!(ImageRef::parse(&image.to_string()), Ok(image));
                }
            }
        }

        #[test]
        fn the_full_name_is_read_back(
            registry in "(localhost|[a-z]{1,5}\\.[a-z]{2,3})(:[0-9]{1,5})?",
            repository in "[a-z0-9]{1,6}(([._]|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}){0,3}",
            tag in "(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,12})?",
            digest in "(@sha256:[0-9a-f]{64})?",
        ) {
            let text = format!("{registry}/{repository}{tag}{digest}");
            let parsed = image(&text);
            prop_assert_eq!(&parsed.registry, &registry);
            prop_assert_eq!(&parsed.repository, &repository);
            prop_assert_eq!(parsed.to_string(), text);
        }
    }
}
