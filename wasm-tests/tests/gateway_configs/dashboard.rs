//! `operations/grafana-dashboard.json`: Grafana can show it, and what it asks for is asked for as on any machine. Whether there is an
//! answer to each query, `tests/envoy/alerts` shows.

use std::collections::BTreeSet;

use promql_parser::parser::{self, Expr, VectorSelector};
use serde_json::Value;

use super::files::{text, yaml};

fn dashboard() -> Value {
    serde_json::from_str(&text("../operations/grafana-dashboard.json")).expect("JSON")
}

/// The panels that show something.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

/// All queries, as Grafana sends them.
fn queries(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard).into_iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let annotations = dashboard["annotations"]["list"].as_array().expect("annotations");
    let queries = targets.chain(annotations).map(|target| target["expr"].as_str().expect("a query"));
    queries
        .map(|query| query.replace("$__rate_interval", "1m").replace("$job", ".+").replace("$instance", ".+"))
        .collect()
}

/// The names of the metrics in an expression.
fn metrics(expression: &Expr, names: &mut BTreeSet<String>) {
    let selector = |selector: &VectorSelector, names: &mut BTreeSet<String>| names.extend(selector.name.clone());
    match expression {
        Expr::VectorSelector(vector) => selector(vector, names),
        Expr::MatrixSelector(matrix) => selector(&matrix.vs, names),
        Expr::Aggregate(inner) => metrics(&inner.expr, names),
        Expr::Unary(inner) => metrics(&inner.expr, names),
        Expr::Paren(inner) => metrics(&inner.expr, names),
        Expr::Subquery(inner) => metrics(&inner.expr, names),
        Expr::Binary(both) => {
            metrics(&both.lhs, names);
            metrics(&both.rhs, names);
        }
        Expr::Call(call) => call.args.args.iter().for_each(|argument| metrics(argument, names)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

fn metrics_of(query: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    metrics(&parser::parse(query).unwrap_or_else(|error| panic!("{query}: {error}")), &mut names);
    names
}

#[test]
fn each_query_is_promql_and_is_about_metrics_that_the_documentation_names() {
    let operations = text("../docs/operations.md");
    let tool = text("../docs/hub-auth.md");
    let of_rules = yaml("../operations/prometheus-rules.yaml");
    let groups = of_rules["groups"].as_array().expect("groups").iter();
    let rules: Vec<&Value> = groups.flat_map(|group| group["rules"].as_array().expect("rules")).collect();
    let of_dashboard = queries(&dashboard());
    assert!(of_dashboard.len() > 20, "{}", of_dashboard.len());
    let of_rules = rules.iter().map(|rule| rule["expr"].as_str().expect("an expression").to_owned());
    for query in of_dashboard.into_iter().chain(of_rules) {
        for name in metrics_of(&query) {
            let plain = name.strip_suffix("_bucket").unwrap_or(&name);
            let is_known = match plain.strip_prefix("hub_auth_") {
                Some(rest) if rest.starts_with("filter_") => {
                    operations.contains(plain.trim_start_matches("hub_auth_filter_"))
                }
                Some(rest) if rest.starts_with("certificate_") => tool.contains(plain),
                Some(rest) => rest.starts_with("crl_"),
                None if plain.starts_with("hub_auth:") => rules.iter().any(|rule| rule["record"] == *plain),
                None => {
                    ["envoy_", "probe_"].iter().any(|prefix| plain.starts_with(prefix))
                        || ["up", "ALERTS"].contains(&plain)
                }
            };
            assert!(is_known, "{name}: {query}");
        }
    }
}

#[test]
fn its_panels_have_places_and_names_of_their_own_and_are_on_the_bank_s_prometheus() {
    let dashboard = dashboard();
    let all = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<u64> = all.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
    let titles: BTreeSet<&str> = all.iter().map(|panel| panel["title"].as_str().expect("a title")).collect();
    assert_eq!((ids.len(), titles.len()), (all.len(), all.len()));
    let mut taken = BTreeSet::new();
    for panel in all {
        let place = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        for cell in (place("x")..place("x") + place("w"))
            .flat_map(|x| (place("y")..place("y") + place("h")).map(move |y| (x, y)))
        {
            assert!(cell.0 < 24 && taken.insert(cell), "{}: {cell:?}", panel["title"]);
        }
    }
    for panel in panels(&dashboard) {
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 10), "{}", panel["title"]);
        let targets = panel["targets"].as_array().expect("targets").iter();
        for shown in targets.chain([panel]) {
            assert_eq!(shown["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let variables: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().expect("a name")).collect();
    assert_eq!(variables, ["datasource", "job", "instance"]);
}
