//! TLS to one server: [`Tls`] opens connections, and says what is wrong with a certificate and what
//! to do.
//!
//! The trusted roots are the system's, or those of a file. A file may also hold the server's own
//! certificate: `openssl req -x509` makes one that claims to be an authority, which the usual check
//! refuses for a server.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use perf_model::spec::access::Access;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http::error::ConnectionError;

/// A connection that is encrypted.
pub(crate) type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// Opens encrypted connections to one server.
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// For a server with this host name or address, an IPv6 address in brackets.
    pub(crate) fn new(host: &str, access: &Access) -> Result<Self, String> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| format!("`{host}` is no name that a certificate can have"))?;
        let provider = Arc::new(ring::default_provider());
        let verifier = verifier(&provider, access)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        // A server that prefers HTTP/2 must not choose it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Makes a connection an encrypted one.
    pub(crate) async fn connect(&self, socket: TcpStream) -> Result<TlsStream, ConnectionError> {
        let connecting = self.connector.connect(self.name.clone(), socket);
        connecting.await.map_err(|error| {
            let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match refused {
                Some(refused) => ConnectionError::closed(self.explain(refused)),
                None if error.kind() == io::ErrorKind::UnexpectedEof => ConnectionError::closed(
                    "the TLS handshake failed: the server ended the connection; does it speak https on this port?",
                ),
                None => ConnectionError::by(&error, "the TLS handshake failed"),
            }
        })
    }

    /// What is wrong, and what to do.
    fn explain(&self, error: &rustls::Error) -> String {
        const GO_ON: &str = "or go on without a check with --insecure";
        let name = self.name.to_str();
        let what = match error {
            rustls::Error::InvalidCertificate(fault) => match fault {
                CertificateError::UnknownIssuer => format!(
                    "it is signed by an authority that is not trusted here (unknown issuer); give the authority's \
                     certificate with --ca FILE, {GO_ON}"
                ),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    format!(
                        "it has expired; renew it on the server, check this machine's clock, {GO_ON}"
                    )
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    format!("it is not valid yet; check this machine's clock, {GO_ON}")
                }
                CertificateError::NotValidForNameContext { presented, .. } => {
                    let names = presented.iter().map(|name| plain_name(name)).collect::<Vec<_>>();
                    let names =
                        if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
                    format!(
                        "it is for {names}, not for {name}; use a name that it has in the URL, {GO_ON}"
                    )
                }
                CertificateError::NotValidForName => {
                    format!("it is not for {name}; use a name that it has in the URL, {GO_ON}")
                }
                other if format!("{other:?}").contains("CaUsedAsEndEntity") => format!(
                    "it is signed by itself alone (self-signed); give that certificate with --ca \
                     FILE, {GO_ON}"
                ),
                other => format!("{other:?}; look at the server's certificate, {GO_ON}"),
            },
            rustls::Error::InvalidMessage(_) => {
                return "the server does not speak TLS there; write http:// in the URL, or take the port of https"
                    .to_owned();
            }
            rustls::Error::AlertReceived(alert) => {
                let hint = if format!("{alert:?}").contains("Certificate") {
                    "; it wants a client's certificate, which is not supported"
                } else {
                    "; it may speak only old versions of TLS (1.2 and 1.3 are supported)"
                };
                return format!(
                    "the server ended the TLS handshake with the alert {alert:?}{hint}"
                );
            }
            other => return format!("the TLS handshake failed: {other}"),
        };
        format!("the certificate of {name} is not accepted: {what}")
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.name).finish()
    }
}

/// `DnsName("h")` and the like as they are written.
fn plain_name(shown: &str) -> String {
    let inner = shown.split_once('(').map_or(shown, |(_, rest)| rest.trim_end_matches(')'));
    inner.trim_matches('"').to_owned()
}

/// What checks certificates.
fn verifier(
    provider: &Arc<CryptoProvider>,
    access: &Access,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let provider = Arc::clone(provider);
    if access.insecure {
        return Ok(Arc::new(Verifier { usual: None, listed: Vec::new(), provider }));
    }
    let mut roots = RootCertStore::empty();
    let listed = match &access.ca {
        Some(path) => certificates(path)?,
        None => Vec::new(),
    };
    for certificate in &listed {
        roots.add(certificate.clone()).map_err(|error| {
            format!("a certificate in the file of --ca cannot be used: {error}")
        })?;
    }
    if access.ca.is_none() {
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            return Err("this machine has no trusted certificates; install `ca-certificates`, or give the server's \
                        authority with --ca FILE"
                .to_owned());
        }
    }
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(Verifier { usual: Some(usual), listed, provider }))
}

/// The certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let read = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("the file of --ca, {shown}, cannot be read: {error}"))?;
    if read.is_empty() {
        return Err(format!(
            "the file of --ca, {shown}, holds no certificate; it must be PEM, with lines such as -----BEGIN CERTIFICATE-----"
        ));
    }
    Ok(read)
}

/// Who the server is. That it holds the key of its certificate is checked in any case.
#[derive(Debug)]
struct Verifier {
    /// The usual check; without it, any certificate is accepted.
    usual: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are accepted themselves, though the usual check refuses them for a server.
    listed: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(usual) = &self.usual else { return Ok(ServerCertVerified::assertion()) };
        let checked =
            usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match checked {
            // Its dates were looked at before this.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.listed.iter().any(|listed| listed == end_entity) =>
            {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
