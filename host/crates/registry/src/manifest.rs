//! The manifest of an artifact in a registry: which blobs it consists of.

use applet_package::Sha256Digest;
use serde::{Deserialize, Serialize};

/// What our artifacts, and their one layer, are: a package in its second format.
pub const PACKAGE_TYPE: &str = "application/vnd.applet-host.package.v2";

/// What the manifest itself is.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// What an artifact has that needs no configuration.
pub(crate) const EMPTY: &[u8] = b"{}";

/// Bytes of a manifest. Ours has one layer, and needs a few hundred.
pub(crate) const MANIFEST_BYTES: usize = 64 << 10;

/// What a package is called in a registry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Title<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    schema_version: u8,
    media_type: &'a str,
    artifact_type: &'a str,
    config: Blob<'a>,
    layers: [Blob<'a>; 1],
    annotations: Annotations<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    media_type: &'a str,
    digest: Sha256Digest,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Annotations<'a>>,
}

#[derive(Serialize)]
struct Annotations<'a> {
    #[serde(rename = "org.opencontainers.image.title")]
    title: String,
    #[serde(rename = "org.opencontainers.image.version")]
    version: &'a str,
}

/// The manifest of a package: the same bytes for the same package, so that its digest there is known before it
/// is pushed.
pub(crate) fn write(package: &[u8], title: Title<'_>) -> Vec<u8> {
    let annotations =
        || Annotations { title: format!("{}-{}.applet", title.name, title.version), version: title.version };
    let written = Written {
        schema_version: 2,
        media_type: MANIFEST_TYPE,
        artifact_type: PACKAGE_TYPE,
        config: Blob {
            media_type: EMPTY_TYPE,
            digest: Sha256Digest::of(EMPTY),
            size: EMPTY.len(),
            annotations: None,
        },
        layers: [Blob {
            media_type: PACKAGE_TYPE,
            digest: Sha256Digest::of(package),
            size: package.len(),
            annotations: Some(annotations()),
        }],
        annotations: annotations(),
    };
    // Texts and numbers: serialising cannot fail.
    serde_json::to_vec(&written).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    schema_version: u64,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    layers: Vec<Layer>,
}

/// A blob that a manifest names.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layer {
    media_type: String,
    pub(crate) digest: Sha256Digest,
    pub(crate) size: u64,
}

/// Reads a manifest: the package in it, or what is there instead.
pub(crate) fn read(bytes: &[u8]) -> Result<Layer, &'static str> {
    let read: Read = serde_json::from_slice(bytes)
        .map_err(|_| "its manifest is not that of one artifact, or names blobs without a SHA-256 digest")?;
    if read.schema_version != 2 || read.media_type.is_some_and(|media_type| media_type != MANIFEST_TYPE) {
        return Err("its manifest is of another kind");
    }
    if read.artifact_type.as_deref() != Some(PACKAGE_TYPE) {
        return Err("it is an artifact of another type");
    }
    let mut layers = read.layers.into_iter();
    match (layers.next(), layers.next()) {
        (Some(layer), None) if layer.media_type == PACKAGE_TYPE => Ok(layer),
        (Some(_), None) => Err("its layer is of another type"),
        (None, _) | (Some(_), Some(_)) => Err("a package has exactly one layer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_10_a_manifest_reads_back_and_has_the_same_bytes_each_time() {
        let title = Title { name: "ai-chat", version: "1.0.0" };
        let bytes = write(b"package", title);
        assert_eq!(bytes, write(b"package", title));
        let layer = read(&bytes).unwrap();
        assert_eq!((layer.digest, layer.size), (Sha256Digest::of(b"package"), 7));
    }

    #[test]
    fn s4x_10_manifests_of_other_things_are_refused() {
        let good = String::from_utf8(write(b"p", Title { name: "a", version: "1" })).unwrap();
        let layers = good.split_once("\"layers\":[").unwrap().1.split_once("],").unwrap().0;
        let change = |from: &str, to: &str| {
            let changed = good.replace(from, to);
            assert_ne!(changed, good, "{from}");
            read(changed.as_bytes())
        };
        assert!(change("\"schemaVersion\":2", "\"schemaVersion\":1").is_err());
        assert!(change(PACKAGE_TYPE, "application/vnd.oci.image.layer.v1.tar").is_err());
        assert!(change(MANIFEST_TYPE, "application/vnd.oci.image.index.v1+json").is_err());
        assert!(change(layers, "").is_err());
        assert!(change(layers, &format!("{layers},{layers}")).is_err());
        assert!(change(layers, &vec![layers; 1_000].join(",")).is_err());
        assert!(change("\"size\":1", "\"size\":-1").is_err());
        assert!(change("sha256:", "md5:").is_err());
        for text in ["", "{}", "[]", "null", &"[".repeat(60_000), good.trim_end_matches('}')] {
            assert!(read(text.as_bytes()).is_err());
        }
    }
}
