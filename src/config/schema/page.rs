//! The page of the reference: `page.md`, with a table of settings for each line `{{name}}`.

use std::fmt::Write as _;

use super::definition::{Kind, Object, Presence, Setting};
use super::exceptions::EXCEPTIONS;
use super::{api_key, clouds, inbound, methods, of_gateway, outbound, peer, vault};
use crate::config::gateway::KnownGateway;

const TEMPLATE: &str = include_str!("page.md");

/// The whole page.
pub(super) fn page(known: &[KnownGateway]) -> String {
    let mut page = String::new();
    for line in TEMPLATE.lines() {
        match line.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
            Some("exceptions") => {
                EXCEPTIONS.iter().for_each(|exception| line_of(&mut page, &format!("- {}", exception.rule)))
            }
            Some(name) => table(&mut page, name, known),
            None => line_of(&mut page, line),
        }
    }
    page
}

fn line_of(page: &mut String, line: &str) {
    page.push_str(line);
    page.push('\n');
}

/// The table of this name: below which path, and of what.
fn table(page: &mut String, name: &str, known: &[KnownGateway]) {
    let (path, object) = match name {
        "inbound" => ("inbound", inbound::inbound()),
        "jwt_auth" => ("inbound.auth.jwt_auth", methods::jwt_auth()),
        "replay_detection" => ("inbound.auth.jwt_auth.replay_detection", methods::shared_detection()),
        "replay_store" => ("replay_detection.store.etcd", methods::replay_store()),
        "client_credentials" => ("inbound.auth.client_credentials", methods::client_credentials()),
        "api_key" => ("inbound.auth.api_key", api_key::api_key()),
        "forwarded_header" => ("inbound.peer.source.forwarded_header", peer::forwarded_header()),
        "outbound" => ("outbound", outbound::outbound()),
        "vault_transit" => ("remote_signer.vault_transit", vault::vault_transit()),
        "aws_kms" => ("remote_signer.aws_kms", clouds::aws_kms()),
        "azure_key_vault" => ("remote_signer.azure_key_vault", clouds::azure_key_vault()),
        "google_cloud_kms" => ("remote_signer.google_cloud_kms", clouds::google_cloud_kms()),
        "verify_responses" => ("outbound.verify_responses", outbound::verify_responses()),
        "response_token" => ("inbound.response_token", outbound::response_token()),
        "gateway" => ("gateway", of_gateway(known)),
        _ => return,
    };
    line_of(page, &format!("| key, below `{path}` | what it is | default |"));
    line_of(page, "|---|---|---|");
    let mut rows = Vec::new();
    collect(&object, "", &mut rows);
    let mut rows = rows.as_slice();
    while let Some(((path, setting), rest)) = rows.split_first() {
        rows = rest;
        let Some(method) = setting.described_with else {
            row(page, &[path.as_str()], &setting.description(), &default(&setting.presence));
            continue;
        };
        // Those that are described elsewhere share a line.
        let mut paths = vec![path.as_str()];
        while let Some(((path, setting), rest)) = rows.split_first()
            && setting.described_with == Some(method)
        {
            paths.push(path);
            rows = rest;
        }
        row(page, &paths, &format!("As with `{method}`."), "as there");
    }
}

/// The settings of an object, each with its path, and of the objects in it.
fn collect<'o>(object: &'o Object, prefix: &str, rows: &mut Vec<(String, &'o Setting)>) {
    for setting in &object.settings {
        let path = format!("{prefix}{}", setting.key);
        rows.push((path.clone(), setting));
        if setting.is_one_line || setting.described_with.is_some() {
            continue;
        }
        match setting.kind.plain() {
            Kind::Object(object) => collect(object, &format!("{path}."), rows),
            Kind::List(_, item) => {
                if let Kind::Object(object) = item.plain() {
                    collect(object, &format!("{path}[]."), rows);
                }
            }
            _ => {}
        }
    }
}

fn row(page: &mut String, paths: &[&str], text: &str, default: &str) {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    // Writing to a string does not fail.
    let _ = writeln!(page, "| {} | {} | {default} |", paths.join(", "), text.replace('|', "\\|"));
}

/// What the page says of a setting that is left out. Durations are known by their unit and need no quotes.
fn default(presence: &Presence) -> String {
    match presence {
        Presence::Required => "required".to_owned(),
        Presence::Otherwise(words) => (*words).to_owned(),
        Presence::Default(value) => match value {
            serde_json::Value::Null => "none".to_owned(),
            serde_json::Value::String(text) if text.starts_with(|first: char| first.is_ascii_digit()) => {
                format!("`{text}`")
            }
            other => format!("`{other}`"),
        },
    }
}
