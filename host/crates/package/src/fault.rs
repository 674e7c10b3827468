//! What is wrong with a package file.

/// Why a package file is not taken. Each has a stable code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageFault {
    /// Something else, or nothing.
    #[error("this is not an applet package: `applet package` makes one")]
    NotAPackage,
    /// The first format, which was never released.
    #[error("this package was made by an earlier version of `applet`: package it again")]
    OldFormat,
    /// More bytes than the operator allows.
    #[error("{what} has more than {most} bytes: `limits.{limit}` in the host's configuration bounds it")]
    TooLarge {
        /// What has.
        what: &'static str,
        /// How many it may have.
        most: usize,
        /// Which limit says so.
        limit: &'static str,
    },
    /// The file ends before what it announces.
    #[error("the package is cut off, or announces more than it holds")]
    Truncated,
    /// Something follows the end.
    #[error("{0} bytes follow the end of the package")]
    TrailingBytes(usize),
    /// Fewer or more parts than a package has.
    #[error("a package has from 2 to {most} parts, not {0}", most = crate::MOST_PARTS)]
    PartCount(usize),
    /// More signatures than a package has.
    #[error("a package has at most {most} signatures, not {0}", most = crate::MOST_SIGNATURES)]
    SignatureCount(usize),
    /// Manifest and component are not its first two parts.
    #[error("the parts of a package begin with `manifest.yaml` and `component.wasm`, not with `{0}`")]
    Beginning(String),
    /// A name that could lead out of a folder, or that not every system can write.
    #[error(transparent)]
    Path(#[from] applet_types::InvalidAssetPath),
    /// A name longer than any path is; it is not repeated.
    #[error("a name in the package has {0} bytes")]
    LongName(usize),
    /// Two files that cannot lie beside each other.
    #[error("the package holds `{0}` twice, or as a file and a folder")]
    Duplicate(String),
    /// Parts or signatures in another order than the one that there is.
    #[error("the {0} of the package are not in their order")]
    Order(&'static str),
    /// The manifest is not text.
    #[error("the manifest in the package is not UTF-8")]
    ManifestText,
    /// A signature of a key that is none, or over something else.
    #[error("the signature by `{0}` is not one over this package")]
    Signature(crate::PublicKey),
    /// Bytes that are no public key.
    #[error("a signature names a key that is none")]
    SignatureKey,
}

impl PackageFault {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAPackage => "not-a-package",
            Self::OldFormat => "package-old",
            Self::TooLarge { .. } => "package-too-large",
            Self::Truncated => "package-truncated",
            Self::TrailingBytes(_) => "package-trailing-bytes",
            Self::PartCount(_) | Self::SignatureCount(_) => "package-too-many-parts",
            Self::Beginning(_) | Self::Order(_) => "package-order",
            Self::Path(_) | Self::LongName(_) => "package-path",
            Self::Duplicate(_) => "package-duplicate",
            Self::ManifestText => "package-manifest",
            Self::Signature(_) | Self::SignatureKey => "signature-invalid",
        }
    }
}
