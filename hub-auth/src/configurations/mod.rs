//! The filter's configurations in a file: plain JSON, or inside a file of a gateway or of Kubernetes.

mod apisix;
mod envoy;
mod kong;
mod kubernetes;
mod location;

use std::ops::Range;

use hub_auth_filter::facade::gateway::GatewayKind;
use serde_json::{Map, Number, Value};

use crate::document::{Document, Embedded, Kind, Node, Style};

/// A configuration of the filter.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Which gateway reads the file; nothing if the file does not say.
    pub(crate) gateway: Option<GatewayKind>,
    /// The form in which it stands there.
    pub(crate) form: Form,
    /// What the gateway hands over to the filter.
    pub(crate) text: String,
    values: Values,
}

/// In which form a configuration stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The file is the configuration.
    Plain,
    /// Text, which the gateway hands over as it is.
    Text,
    /// An object that the control plane writes as JSON.
    Object,
    /// An object that the gateway reads and writes anew, which changes it.
    ReencodedObject,
}

#[derive(Debug)]
enum Values {
    Embedded(Embedded),
    Object(Node),
    /// Something else altogether, which has a place.
    None(Range<usize>),
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// The filter's own JSON.
    Plain,
    /// A bootstrap of Envoy, or a part of one.
    Envoy,
    /// Manifests of Kubernetes.
    Kubernetes,
    /// Declarative configuration of Kong.
    Kong,
    /// `apisix.yaml`
    Apisix,
}

impl FileKind {
    /// What a file is, by the keys that it has; nothing if by these it is none of them.
    pub(crate) fn of(document: &Document) -> Option<Self> {
        let root = document.roots.first()?;
        let has = |key: &str| root.get(key).is_some();
        if has("inbound") || has("outbound") {
            return Some(Self::Plain);
        }
        if document.roots.iter().any(|root| root.get("apiVersion").is_some() && root.get("kind").is_some()) {
            return Some(Self::Kubernetes);
        }
        if has("static_resources") || has("dynamic_resources") {
            return Some(Self::Envoy);
        }
        if has("_format_version") {
            return Some(Self::Kong);
        }
        let of_apisix = ["routes", "global_rules", "plugin_configs", "ssls", "services"].into_iter().any(has);
        of_apisix.then_some(Self::Apisix)
    }

    /// All configurations of the filter in such a file.
    pub(crate) fn find(self, document: &Document) -> Vec<Configuration> {
        match self {
            Self::Plain => document.roots.first().map(|root| plain(root, document)).into_iter().collect(),
            Self::Envoy => envoy::find(document),
            Self::Kubernetes => kubernetes::find(document),
            Self::Kong => kong::find(document),
            Self::Apisix => apisix::find(document),
        }
    }
}

impl Configuration {
    /// A configuration in a value of a file.
    fn of_value(node: &Node, gateway: GatewayKind, object_form: Form, document: &Document) -> Self {
        let gateway = Some(gateway);
        match Embedded::in_scalar(node, &document.text) {
            Some(embedded) => {
                Self { gateway, form: Form::Text, text: embedded.text.clone(), values: Values::Embedded(embedded) }
            }
            None => Self {
                gateway,
                form: object_form,
                text: to_json(node).to_string(),
                values: Values::Object(node.clone()),
            },
        }
    }

    /// One that is not there: the gateway hands over nothing.
    fn missing(at: Range<usize>, gateway: GatewayKind) -> Self {
        Self { gateway: Some(gateway), form: Form::Text, text: String::new(), values: Values::None(at) }
    }

    /// Where in the file a path of the configuration is; of what is missing, where it would be.
    pub(crate) fn place_of(&self, path: &str) -> Range<usize> {
        match &self.values {
            Values::Embedded(embedded) => match embedded.root() {
                Some(root) => embedded.in_file(&location::find(root, path)),
                None => embedded.in_file(&(0..embedded.text.len())),
            },
            Values::Object(node) => location::find(node, path),
            Values::None(at) => at.clone(),
        }
    }

    /// Where in the file a line and a column of the JSON are, both from 1.
    pub(crate) fn place_at(&self, line: usize, column: usize) -> Range<usize> {
        let Values::Embedded(embedded) = &self.values else { return self.place_of("") };
        let before = line.saturating_sub(1);
        let start: usize = embedded.text.split_inclusive('\n').take(before).map(str::len).sum();
        let offset = start.saturating_add(column.saturating_sub(1)).min(embedded.text.len());
        embedded.in_file(&(offset..offset))
    }

    /// The value at a path of keys and positions.
    pub(crate) fn value(&self, path: &str) -> Option<&Node> {
        let root = match &self.values {
            Values::Embedded(embedded) => embedded.root()?,
            Values::Object(node) => node,
            Values::None(_) => return None,
        };
        location::value(root, path)
    }
}

fn plain(root: &Node, document: &Document) -> Configuration {
    let embedded = Embedded::whole_file(root, &document.text);
    Configuration { gateway: None, form: Form::Plain, text: document.text.clone(), values: Values::Embedded(embedded) }
}

/// Whether a value is likely to be a configuration of this filter, and not of another one.
fn is_ours(node: &Node, document: &Document) -> bool {
    let has_direction = |root: &Node| root.get("inbound").is_some() || root.get("outbound").is_some();
    match Embedded::in_scalar(node, &document.text) {
        Some(embedded) => embedded.root().is_some_and(has_direction),
        None => has_direction(node),
    }
}

/// Whether this is the name of this filter.
fn is_our_name(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    name.to_ascii_lowercase().contains("hubauth")
}

/// YAML as the JSON that it means (YAML 1.2 §10.3).
fn to_json(node: &Node) -> Value {
    match &*node.kind {
        Kind::Scalar { text, style: Style::Plain } => match text.as_str() {
            "" | "null" | "Null" | "NULL" | "~" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            _ => text.parse::<Number>().map_or_else(|_| Value::String(text.clone()), Value::Number),
        },
        Kind::Scalar { text, .. } => Value::String(text.clone()),
        Kind::List(items) => items.iter().map(to_json).collect(),
        Kind::Map(members) => {
            let member = |(key, value): &(Node, Node)| (key.text().unwrap_or_default().to_owned(), to_json(value));
            Value::Object(members.iter().map(member).collect::<Map<String, Value>>())
        }
    }
}
