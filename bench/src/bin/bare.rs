//! The peer of (a): axum over rustls, mutual TLS, that reads the body and answers. `bare --dir DIR` writes its authority
//! and one client's identity there, prints its port, and serves until its standard input ends.

use anyhow::Result;
use axum::{Router, body::Bytes, routing::post};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{path::Path, sync::Arc};

#[tokio::main]
async fn main() -> Result<()> {
    let dir = bench::argument("dir", ".");
    let dir = Path::new(&dir);
    identities(dir)?;

    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("ca.pem"))?)?;
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(dir.join("server.pem"))?],
            PrivateKeyDer::from_pem_file(dir.join("server.key"))?,
        )?;
    config.send_tls13_tickets = 0;

    let app = Router::new()
        .route("/device/v1/store", post(|body: Bytes| async move { format!("{{\"bytes\":{}}}", body.len()) }));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(app.clone()));
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

/// An authority, a server and a client, all P-256, as the product has them.
fn identities(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(dir.join("ca.pem"), authority.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(authority, key);
    for (name, usage) in
        [("server", ExtendedKeyUsagePurpose::ServerAuth), ("client", ExtendedKeyUsagePurpose::ClientAuth)]
    {
        let key = KeyPair::generate()?;
        let mut of = CertificateParams::default();
        of.subject_alt_names = vec![SanType::DnsName("localhost".try_into()?)];
        of.extended_key_usages = vec![usage];
        std::fs::write(dir.join(format!("{name}.pem")), of.signed_by(&key, &issuer)?.pem())?;
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem())?;
    }
    Ok(())
}
