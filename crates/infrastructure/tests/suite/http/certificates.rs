//! A certificate authority of a test's own, and the servers that it vouches for.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "the test's own authority");
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.issuer.pem().into_bytes()
    }

    /// A server with a certificate for `hosts`, changed by `change` before it is signed.
    pub(crate) fn server(&self, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
        let mut params = params(hosts);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        acceptor(certificate.der().clone(), &key, &[b"http/1.1"])
    }

    /// The same, speaking only HTTP/2.
    pub(crate) fn http2_server(&self, hosts: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(hosts).signed_by(&key, &self.issuer).expect("a certificate");
        acceptor(certificate.der().clone(), &key, &[b"h2"])
    }
}

/// A server that vouches for itself.
pub(crate) fn self_signed(hosts: &[&str]) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let certificate = params(hosts).self_signed(&key).expect("a certificate");
    acceptor(certificate.der().clone(), &key, &[b"http/1.1"])
}

fn params(hosts: &[&str]) -> CertificateParams {
    CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).expect("parameters")
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair, protocols: &[&[u8]]) -> TlsAcceptor {
    infrastructure::http::install_crypto_provider();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
