//! Certificate authorities of a test's own, and servers with good and bad certificates.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(super) struct Identity {
    certificate: Vec<u8>,
    key: KeyPair,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `host`, changed by `change` before it is signed.
    pub(super) fn certify(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = params(host);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Identity { certificate: certificate.der().to_vec(), key }
    }
}

/// A certificate that vouches for itself.
pub(super) fn self_signed(host: &str) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let certificate = params(host).self_signed(&key).expect("a certificate");
    Identity { certificate: certificate.der().to_vec(), key }
}

fn params(host: &str) -> CertificateParams {
    CertificateParams::new([host.to_owned()]).expect("parameters")
}

impl Identity {
    /// The same with one bit of the authority's signature turned.
    pub(super) fn with_a_broken_signature(mut self) -> Self {
        *self.certificate.last_mut().expect("a signature") ^= 1;
        self
    }

    /// A server that shows it.
    pub(super) fn acceptor(self) -> TlsAcceptor {
        infrastructure::http::install_crypto_provider();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(self.certificate)], key)
            .expect("a configuration");
        TlsAcceptor::from(Arc::new(config))
    }
}
