//! The settings of Vault Transit, a remote signer, and of the filter's login there.

use serde_json::json;

use super::definition::{Kind, Object, Setting};
use super::key_sets::upstream;
use super::secrets::{added_by, secret, secret_settings};
use super::signer_settings::{deadline, kid, public_key, timeout};
use super::texts::{mount, origin, text, vault_key};
use crate::config::signers::{vault_login, vault_transit};

pub(super) fn vault_transit() -> Object {
    let settings = [
        Setting::new(
            "address",
            "Address",
            "`https://host:port` and nothing more. With `http://` to another machine the log warns: whoever can read the token can sign \
             with it.",
            origin().into(),
        )
        .example("https://bao.bank.example:8200"),
        upstream().text("As with `jwt_auth`.").otherwise("`host:port` of `address`").example("bao"),
        Setting::new(
            "namespace",
            "Namespace",
            "The namespace of the mount.",
            text(&vault_transit::NAMESPACE).into(),
        )
        .otherwise("none")
        .example("bank"),
        Setting::new("mount", "Mount", "The path of the Transit engine.", mount().into()).default("transit"),
        Setting::new(
            "key",
            "Name of the key",
            "The name of the key there: RSA of 2048 bits or more.",
            vault_key().into(),
        )
        .example("sig4"),
        Setting::new(
            "key_version",
            "Version of the key",
            "Which version of it signs, a number. Give one, and change it with `kid`: otherwise a rotation in Vault changes the key at \
             once, before it is published.",
            Kind::Integer(vault_transit::KEY_VERSION),
        )
        .otherwise("the newest"),
        kid("Its `kid` on your JWKS."),
        public_key(),
        Setting::new(
            "token",
            "Token",
            "The Vault token: `{\"env\": \"NAME\"}` or `{\"value\": \"…\"}`, as above. `{\"added_by\": \"gateway\"}`: the filter sends none, and the \
             gateway, or an agent beside it, adds `X-Vault-Token` on the way, as Envoy can. With `app_role` or `kubernetes` the filter logs in. \
             The token needs `update` on `{mount}/sign/{key}/sha2-256` and, unless there is a `public_key`, `read` on `{mount}/keys/{key}`; \
             nothing more.",
            vault_token().kind(),
        )
        .example(json!({"env": "BAO_TOKEN"})),
        timeout(),
        deadline(),
    ];
    Object::new(&vault_transit::KEYS, settings)
}

fn vault_token() -> Object {
    let mount =
        |default| Setting::new("mount", "Mount", "The path of the login method.", mount().into()).default(default);
    let app_role = [
        Setting::new("role_id", "Role id", "The id of the role.", text(&vault_login::ROLE_ID).into())
            .example("0b5f2f0c-6a5e-4d1c-9d0e-2f7f3f6f7b1a"),
        Setting::new(
            "secret_id",
            "Secret id",
            "The secret id that belongs to it: `{\"env\": \"NAME\"}` or `{\"value\": \"…\"}`, as above. It has to serve for many logins.",
            secret(&vault_login::SECRET_ID),
        )
        .one_line()
        .otherwise("none, which a role must allow")
        .example(json!({"env": "BAO_SECRET_ID"})),
        mount("approle"),
    ];
    let kubernetes = [
        Setting::new("role", "Role", "The name of the role.", text(&vault_login::ROLE).into()).example("hub-auth-filter"),
        Setting::new(
            "jwt",
            "JWT",
            "The JWT, such as the token of a service account: `{\"env\": \"NAME\"}` or `{\"value\": \"…\"}`, as above. It is read when the gateway \
             starts, and has to be valid for as long as the gateway runs.",
            secret(&vault_login::JWT),
        )
        .one_line()
        .example(json!({"env": "SERVICE_ACCOUNT_TOKEN"})),
        mount("kubernetes"),
    ];
    let logins = [
        Setting::new(
            "app_role",
            "Login by AppRole",
            "The filter logs in by AppRole, and prolongs the token or logs in anew before it ends.",
            Object::new(&vault_login::APP_ROLE_KEYS, app_role).kind(),
        ),
        Setting::new(
            "kubernetes",
            "Login with a JWT",
            "Likewise with a JWT, by the login method `kubernetes`, or by `jwt`, which takes the same.",
            Object::new(&vault_login::KUBERNETES_KEYS, kubernetes).kind(),
        ),
    ];
    let settings = secret_settings(&vault_login::TOKEN).into_iter().chain([added_by()]);
    let settings = settings.chain(logins.map(|login| login.otherwise("")));
    Object::new(&vault_login::TOKEN_KEYS, settings).exactly_one()
}
