//! Whether sandbox and production are mixed.

use super::{Checked, Subject};
use crate::arguments::Side;
use crate::configurations::Configuration;
use crate::document::Node;
use crate::findings::Severity;

/// All names of the ecosystem end with it.
const ECOSYSTEM: &str = "openfinance.ae";

/// Notes the first place that belongs to another environment than the one before, or than the one that was asked for.
pub(super) fn check(subject: &mut Subject<'_>, checked: &[Checked]) {
    let mut places = Vec::new();
    for Checked { configuration, .. } in checked {
        of_configuration(configuration, &mut places);
    }
    for root in &subject.document.roots {
        root.walk(&mut |node| {
            // What stands as JSON in a text has been looked at.
            let host = node.text().filter(|text| !text.contains(char::is_whitespace));
            places.extend(host.and_then(side_of_host).map(|side| (side, node.span.clone())));
        });
    }
    places.sort_by_key(|(_, place)| place.start);
    let Some((first, _)) = places.first().cloned() else { return };
    let asked = subject.settings.side;
    let right = asked.unwrap_or(first);
    if let Some((_, place)) = places.iter().find(|(side, _)| *side != right) {
        let (one, other) = match right {
            Side::Sandbox => ("sandbox", "production"),
            Side::Production => ("production", "sandbox"),
        };
        let (severity, why) = match asked {
            Some(_) => (Severity::Error, "as --environment says"),
            None => (Severity::Warning, "as before in this file"),
        };
        let message = format!("expected {one} throughout, {why}, got {other}");
        subject.add(severity, "environments-mixed", place.clone(), "", message);
    }
}

fn of_configuration(configuration: &Configuration, places: &mut Vec<(Side, std::ops::Range<usize>)>) {
    for path in ["inbound.auth.jwt_auth.jwks", "outbound.verify_responses.jwks"] {
        for key in ["environment", "url", "url_template"] {
            let path = format!("{path}.{key}");
            let side = configuration.value(&path).and_then(Node::text).and_then(|text| match text {
                "sandbox" => Some(Side::Sandbox),
                "production" => Some(Side::Production),
                url => side_of_host(url),
            });
            places.extend(side.map(|side| (side, configuration.place_of(&path))));
        }
    }
}

fn side_of_host(text: &str) -> Option<Side> {
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    if !host.ends_with(ECOSYSTEM) {
        return None;
    }
    let is_sandbox = host.split('.').any(|label| matches!(label, "sandbox" | "preprod"));
    Some(if is_sandbox { Side::Sandbox } else { Side::Production })
}
