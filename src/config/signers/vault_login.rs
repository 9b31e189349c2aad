//! How the filter logs in to Vault or OpenBao: by AppRole, or with a JWT as the methods `kubernetes` and `jwt` take it. A JWT comes from
//! the environment, because no gateway lets a filter read files.

use super::vault_paths::read_mount;
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node, TextRule};
use crate::config::secret::{Credential, Secret, SecretSource};
use crate::config::text_rules::visible;
use crate::url::{HttpUrl, Origin};

/// Those of a credential, and one for each login.
pub(in crate::config) const TOKEN_KEYS: Keys =
    Keys { supported: &["env", "value", "added_by", "app_role", "kubernetes"], refused: &[] };

pub(in crate::config) const APP_ROLE_KEYS: Keys = Keys { supported: &["role_id", "secret_id", "mount"], refused: &[] };

pub(in crate::config) const KUBERNETES_KEYS: Keys = Keys { supported: &["role", "jwt", "mount"], refused: &[] };

const MISSING: &str = "a secret ({\"env\": \"NAME\"}), {\"app_role\": {…}} or {\"kubernetes\": {…}} where the filter logs in, or \
                       {\"added_by\": \"gateway\"} where the gateway adds the token";

const MOUNT: &str =
    "the path of a login method such as \"approle\": 1 to 256 letters, digits, - . _ and / between them";

/// It is a header value. Service tokens have about 100 characters, batch tokens several hundred.
pub(in crate::config) const TOKEN: TextRule = visible("a token of 1 to 4096 visible ASCII characters", 4096);

/// Vault makes UUIDs, and takes what an operator gives.
pub(in crate::config) const ROLE_ID: TextRule = visible("a role id of 1 to 256 visible ASCII characters", 256);

pub(in crate::config) const SECRET_ID: TextRule = visible("a secret id of 1 to 256 visible ASCII characters", 256);

pub(in crate::config) const ROLE: TextRule = visible("the name of a role: 1 to 256 visible ASCII characters", 256);

/// Tokens of service accounts have about 1 KB.
pub(in crate::config) const JWT: TextRule = visible("a JWT of 1 to 8192 visible ASCII characters", 8192);

/// Where the Vault token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultToken {
    /// It is configured, or the gateway adds it.
    Given(Credential),
    /// The filter logs in.
    Login(VaultLogin),
}

/// How the filter logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultLogin {
    /// `…/v1/auth/{mount}/login`
    pub url: HttpUrl,
    /// Where a token is prolonged: `…/v1/auth/token/renew-self`.
    pub renewal_url: HttpUrl,
    /// With what.
    pub method: LoginMethod,
}

/// With what the filter logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginMethod {
    /// Role id and secret id. A role that is bound to addresses may need no secret id.
    AppRole {
        /// `role_id`
        role_id: String,
        /// `secret_id`
        secret_id: Option<Secret>,
    },
    /// A JWT that a role takes: that of a service account, for one.
    Jwt {
        /// `role`
        role: String,
        /// `jwt`
        jwt: Secret,
    },
}

impl VaultToken {
    /// Reads `token` of a Vault at this address.
    pub(super) fn read(
        node: &Node<'_>,
        origin: Option<&Origin>,
        secrets: &mut SecretSource<'_>,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        if node.is_absent() {
            return node.refuse_text(MISSING, "nothing", errors);
        }
        let object = node.object(&TOKEN_KEYS, errors)?;
        object.exactly_one(errors);
        let (app_role, kubernetes) = (object.member("app_role"), object.member("kubernetes"));
        let login = if !app_role.is_absent() {
            read_app_role(&app_role, secrets, errors)
        } else if !kubernetes.is_absent() {
            read_kubernetes(&kubernetes, secrets, errors)
        } else {
            return secrets.credential_in(&object, &TOKEN, errors).map(Self::Given);
        };
        let ((mount, method), origin) = (login?, origin?);
        Some(Self::Login(VaultLogin {
            url: origin.url(format!("/v1/auth/{mount}/login")),
            renewal_url: origin.url("/v1/auth/token/renew-self".to_owned()),
            method,
        }))
    }

    /// Whether the gateway adds it.
    #[must_use]
    pub fn is_added_by_gateway(&self) -> bool {
        *self == Self::Given(Credential::AddedByGateway)
    }
}

fn read_app_role(
    node: &Node<'_>,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<(String, LoginMethod)> {
    let object = node.object(&APP_ROLE_KEYS, errors)?;
    let role_id = object.member("role_id").text(&ROLE_ID, errors);
    let secret_id = object.member("secret_id").optional(|node| secrets.read(node, &SECRET_ID, errors));
    let mount = read_mount(&object.member("mount"), MOUNT, "approle", errors);
    Some((mount?.to_owned(), LoginMethod::AppRole { role_id: role_id?.to_owned(), secret_id: secret_id? }))
}

fn read_kubernetes(
    node: &Node<'_>,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<(String, LoginMethod)> {
    let object = node.object(&KUBERNETES_KEYS, errors)?;
    let role = object.member("role").text(&ROLE, errors);
    let jwt = secrets.read(&object.member("jwt"), &JWT, errors);
    let mount = read_mount(&object.member("mount"), MOUNT, "kubernetes", errors);
    Some((mount?.to_owned(), LoginMethod::Jwt { role: role?.to_owned(), jwt: jwt? }))
}
