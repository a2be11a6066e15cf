//! Certificates for servers and clients, good and bad, in a folder that vanishes. What a server does
//! with them is said by `arrowredis_throwaway::Tls`.

use std::fs;
use std::path::{Path, PathBuf};

use arrowredis_throwaway::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::error::WorldError;

/// The names that tests reach their servers by.
const LOOPBACK: [&str; 2] = ["localhost", "127.0.0.1"];

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// An authority and what it signed, and another authority that nobody trusts.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes all of them.
    ///
    /// # Errors
    /// [`WorldError`] when one cannot be made or written.
    pub fn new() -> Result<Self, WorldError> {
        let made = Self { folder: tempfile::tempdir()? };
        let folder = made.folder.path();
        let authority = make_authority(folder, "authority")?;
        let foreign = make_authority(folder, "foreign-authority")?;
        sign(folder, "server", named(&LOOPBACK)?, &authority)?;
        sign(folder, "client", named(&["client"])?, &authority)?;
        sign(folder, "wrong-name", named(&["elsewhere.example"])?, &authority)?;
        sign(folder, "foreign", named(&LOOPBACK)?, &foreign)?;
        let mut expired = named(&LOOPBACK)?;
        expired.not_before = date_time_ymd(2001, 1, 1);
        expired.not_after = date_time_ymd(2002, 1, 1);
        sign(folder, "expired", expired, &authority)?;
        Ok(made)
    }

    /// The authority's certificate, which clients are to trust.
    pub fn authority(&self) -> PathBuf {
        self.pair("authority").certificate
    }

    /// A good one for `localhost` and 127.0.0.1.
    pub fn server(&self) -> Pair {
        self.pair("server")
    }

    /// One for a client.
    pub fn client(&self) -> Pair {
        self.pair("client")
    }

    /// One that was good until 2002.
    pub fn expired(&self) -> Pair {
        self.pair("expired")
    }

    /// One for another name.
    pub fn wrong_name(&self) -> Pair {
        self.pair("wrong-name")
    }

    /// One for the right names, signed by the authority that nobody trusts.
    pub fn foreign(&self) -> Pair {
        self.pair("foreign")
    }

    /// The certificate of the authority that nobody trusts.
    pub fn foreign_authority(&self) -> PathBuf {
        self.pair("foreign-authority").certificate
    }

    /// What a server with this certificate is started with; `clients` is `yes`, `no` or `optional`.
    pub fn tls(&self, server: Pair, clients: &'static str) -> Tls {
        let Pair { certificate, key } = server;
        Tls { certificate, key, authority: self.authority(), clients }
    }

    fn pair(&self, name: &str) -> Pair {
        pair(self.folder.path(), name)
    }
}

fn pair(folder: &Path, name: &str) -> Pair {
    let file = |end| folder.join(format!("{name}{end}"));
    Pair { certificate: file(".crt"), key: file(".key") }
}

fn named(names: &[&str]) -> Result<CertificateParams, WorldError> {
    let names: Vec<_> = names.iter().copied().map(str::to_owned).collect();
    Ok(CertificateParams::new(names)?)
}

fn make_authority(folder: &Path, name: &str) -> Result<Issuer<'static, KeyPair>, WorldError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Chains are built by names: two authorities must not have the same one.
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    write(&pair(folder, name), &params.self_signed(&key)?, &key)?;
    Ok(Issuer::new(params, key))
}

fn sign(
    folder: &Path,
    name: &str,
    mut params: CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<(), WorldError> {
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    write(&pair(folder, name), &params.signed_by(&key, issuer)?, &key)
}

fn write(pair: &Pair, certificate: &rcgen::Certificate, key: &KeyPair) -> Result<(), WorldError> {
    fs::write(&pair.certificate, certificate.pem())?;
    fs::write(&pair.key, key.serialize_pem())?;
    Ok(())
}
