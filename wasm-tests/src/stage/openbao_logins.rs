//! Logins of the bank's OpenBao: AppRole, JWT, and Kubernetes with an API server that reviews tokens, of which a stand-in is made (one
//! request of its published API).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::json_server::serve;
use super::kms::public_key_info;
use super::openbao::{OpenBao, text};
use super::tokens::SigningKey;

/// The role of each method.
pub const ROLE: &str = "hub-auth-filter";

/// A role of AppRole, and what logs in as it.
pub struct AppRole {
    /// Its id.
    pub role_id: String,
    /// The secret id.
    pub secret_id: String,
}

/// How long tokens of a login live at first, and at the most, in seconds.
#[derive(Clone, Copy)]
pub struct Life {
    /// At first, and after each renewal.
    pub ttl: u64,
    /// With all renewals.
    pub max_ttl: u64,
}

impl OpenBao {
    /// Lets gateways log in by AppRole.
    pub async fn app_role(&self, life: Life) -> AppRole {
        self.enable("approle", "approle").await;
        let role = format!("/v1/auth/approle/role/{ROLE}");
        self.as_root_demand("POST", &role, &policies("token_", life)).await;
        let role_id = self.as_root_demand("GET", &format!("{role}/role-id"), &Value::Null).await;
        let secret_id = self.as_root_demand("POST", &format!("{role}/secret-id"), &json!({})).await;
        AppRole { role_id: text(&role_id["data"]["role_id"]), secret_id: text(&secret_id["data"]["secret_id"]) }
    }

    /// Takes a secret id back.
    pub async fn destroy_secret_id(&self, secret_id: &str) {
        let path = format!("/v1/auth/approle/role/{ROLE}/secret-id/destroy");
        self.as_root_demand("POST", &path, &json!({"secret_id": secret_id})).await;
    }

    /// Revokes all tokens that logins of a method have given.
    pub async fn revoke_all(&self, mount: &str) {
        self.as_root_demand("PUT", &format!("/v1/sys/leases/revoke-prefix/auth/{mount}"), &json!({})).await;
    }

    /// Lets gateways log in with a JWT of this audience that this key has signed.
    pub async fn jwt_role(&self, key: &SigningKey, audience: &str, life: Life) {
        self.enable("jwt", "jwt").await;
        let public_key = String::from_utf8(public_key_info(key, "PEM")).expect("text");
        let config = json!({"jwt_validation_pubkeys": [public_key], "jwt_supported_algs": ["RS256"]});
        self.as_root_demand("POST", "/v1/auth/jwt/config", &config).await;
        let mut role = policies("token_", life);
        for (name, value) in
            [("role_type", json!("jwt")), ("user_claim", json!("sub")), ("bound_audiences", json!([audience]))]
        {
            role[name] = value;
        }
        self.as_root_demand("POST", &format!("/v1/auth/jwt/role/{ROLE}"), &role).await;
    }

    /// Lets gateways log in with tokens of a service account, which this API server reviews.
    pub async fn kubernetes_role(&self, api: &TokenReviews, life: Life) {
        self.enable("kubernetes", "kubernetes").await;
        let config = json!({
            "kubernetes_host": format!("http://{}", api.address), "token_reviewer_jwt": "e30.e30.e30",
            "disable_local_ca_jwt": true, "disable_iss_validation": true,
            // It wants one, also where it calls without TLS.
            "kubernetes_ca_cert": self.pki.openbao.chain_pem,
        });
        self.as_root_demand("POST", "/v1/auth/kubernetes/config", &config).await;
        let mut role = policies("token_", life);
        role["bound_service_account_names"] = json!(["gateway"]);
        role["bound_service_account_namespaces"] = json!(["bank"]);
        self.as_root_demand("POST", &format!("/v1/auth/kubernetes/role/{ROLE}"), &role).await;
    }

    /// How many tokens there are that it takes.
    pub async fn tokens(&self) -> usize {
        let told = self.as_root_demand("LIST", "/v1/auth/token/accessors", &Value::Null).await;
        told["data"]["keys"].as_array().map_or(0, Vec::len)
    }

    async fn enable(&self, mount: &str, method: &str) {
        self.as_root_demand("POST", &format!("/v1/sys/auth/{mount}"), &json!({"type": method})).await;
    }

    async fn as_root_demand(&self, method: &str, path: &str, body: &Value) -> Value {
        self.demand(None, &self.as_root(method, path, body)).await
    }
}

fn policies(prefix: &str, life: Life) -> Value {
    json!({
        format!("{prefix}policies"): ["gateway"], format!("{prefix}no_default_policy"): false,
        format!("{prefix}ttl"): life.ttl, format!("{prefix}max_ttl"): life.max_ttl,
    })
}

/// The one request of Kubernetes' API that OpenBao makes: a review of a token (`authentication.k8s.io/v1`). It stops when it is dropped.
pub struct TokenReviews {
    address: SocketAddr,
    serving: JoinHandle<()>,
    reviewed: Arc<AtomicUsize>,
}

impl TokenReviews {
    /// It says of this token, and of no other, that it is the one of the service account `gateway` in the namespace `bank`.
    pub async fn start(token: &str) -> Self {
        let reviewed = Arc::new(AtomicUsize::new(0));
        let (token, count): (Arc<str>, _) = (token.into(), Arc::clone(&reviewed));
        let (address, serving) = serve(None, move |request: Request<Incoming>| {
            let (token, count) = (Arc::clone(&token), Arc::clone(&count));
            async move {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                count.fetch_add(1, Ordering::Relaxed);
                review(&path, &body, &token)
            }
        })
        .await;
        Self { address, serving, reviewed }
    }

    /// How many tokens were reviewed.
    #[must_use]
    pub fn reviewed(&self) -> usize {
        self.reviewed.load(Ordering::Relaxed)
    }
}

impl Drop for TokenReviews {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn review(path: &str, body: &[u8], right: &str) -> (u16, Value) {
    if path != "/apis/authentication.k8s.io/v1/tokenreviews" {
        return (404, json!({}));
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let status = if asked["spec"]["token"] == right {
        json!({"authenticated": true, "audiences": ["bao"], "user": {
            "username": "system:serviceaccount:bank:gateway", "uid": "0b5f2f0c",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:bank", "system:authenticated"],
        }})
    } else {
        json!({"authenticated": false, "error": "not found"})
    };
    (
        201,
        json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": asked["spec"], "status": status}),
    )
}
