//! What a node serves over HTTP: the paths, and which part answers each.

use crate::flow;
use crate::http::{Method, Request, Response};
use crate::service::OPERATIONS;
use crate::site::Site;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

/// Answers one HTTP request.
pub async fn answer(site: &Arc<Site>, request: Request) -> Response {
    let since = Instant::now();
    let response = route(site, &request).await;
    let us = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::info!(method = %request.method, path = request.path, status = response.status, us, "call");
    response
}

async fn route(site: &Arc<Site>, request: &Request) -> Response {
    if let Some(response) = crate::archive::answer(site, request).await {
        return response;
    }
    if let Some(response) = crate::operate::answer(site, request).await {
        return response;
    }
    let query = request.query.as_deref().unwrap_or_default();
    match (&request.method, request.path.as_str()) {
        (&Method::GET | &Method::HEAD, "/healthz") => text(200, "ok\n"),
        (&Method::GET | &Method::HEAD, "/readyz") => ready(site).await,
        (&Method::POST, "/add-checkpoint") => crate::witness::answer(site, request).await,
        (method, path) => match path.strip_prefix("/ws/").filter(|name| OPERATIONS.iter().any(|(service, _, _)| service == name)) {
            Some(name) if *method == Method::POST => flow::answer(site, name, request, crate::replica::now()).await,
            Some(name) => contract(site, name, query),
            None => text(
                404,
                "There is nothing at this path. The services are at /ws/directory, /ws/trading, /ws/authority, /ws/registry, /ws/audit, \
                 /ws/governance; \
                 the log is at /checkpoint and /tile/.\n",
            ),
        },
    }
}

fn text(status: u16, text: &str) -> Response {
    Response::new(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
}

/// `?wsdl` is one flat document with the real address; `?wsdl&split` imports its schemas from `?xsd=NAME`.
fn contract(site: &Site, name: &str, query: &str) -> Response {
    let address = format!("{}/ws/{name}", site.config.service.address);
    let parts: Vec<&str> = query.split('&').collect();
    let asked = |what: &str| parts.iter().any(|part| part.eq_ignore_ascii_case(what));
    let schema = parts.iter().find_map(|part| part.strip_prefix("xsd="));
    let contract = site.contracts.get(name);
    let document = match schema {
        Some(schema) => contract.and_then(|contract| contract.part(schema)),
        None if asked("wsdl") && asked("split") => contract.map(|contract| contract.split(&address)),
        None if asked("wsdl") => contract.map(|contract| contract.flat(&address)),
        None => return text(404, &format!("The contract is at {address}?wsdl; requests are POSTed to {address}.\n")),
    };
    match document {
        Some(document) => Response::new(200, "text/xml; charset=utf-8", document),
        None => text(404, "There is no such schema.\n"),
    }
}

/// 200 when the node can take part in a trade; the reasons in JSON either way.
async fn ready(site: &Site) -> Response {
    let seen = site.replica.read(|node| node.status()).await;
    let (status, body) = match seen {
        Ok(status) => {
            let ready = status.leader.is_some() && status.covered > 0 && !status.split;
            let body = json!({
                "ready": ready, "sector": site.sector, "ledger": site.ledger, "node": status.node, "leader": status.leader,
                "term": status.term, "leaves": status.size, "published": status.covered, "root": status.root.to_string(),
                "forks": site.replica.forks(), "split": status.split,
            });
            (if ready { 200 } else { 503 }, body)
        }
        Err(_) => (503, json!({ "ready": false, "reason": "the ledger node does not answer" })),
    };
    Response::new(status, "application/json", body.to_string().into_bytes())
}
