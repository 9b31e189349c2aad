//! The login. A token locks its PIN after a few wrong ones, so a PIN that was refused is never tried again: neither after a pause nor
//! when the token was taken out and put back, but only when the file has another one.

use aws_lc_rs::digest::Digest;
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use super::Fault;
use crate::pkcs11::said;
use crate::signer::secrets::PinFile;

/// See the module.
pub(super) struct Login {
    pin: PinFile,
    refused: Option<Digest>,
}

impl Login {
    pub(super) fn new(pin: PinFile) -> Self {
        Self { pin, refused: None }
    }

    /// Before anything is asked of the token: whether there is a PIN that it has not refused.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let (_, digest) = self.pin.read().map_err(|error| Fault::Passing(error.to_string()))?;
        if self.refused.as_ref().is_some_and(|refused| refused.as_ref() == digest.as_ref()) {
            return Err(refused_before());
        }
        Ok(())
    }

    /// Logs in, in one try.
    pub(super) fn log_in(&mut self, module: &Pkcs11, slot: Slot, session: &Session) -> Result<(), Fault> {
        let token = module.get_token_info(slot).map_err(|error| Fault::Passing(said(&error)))?;
        if !token.login_required() {
            return Err(Fault::Lasting("the token gives its keys to anybody, without a login".to_owned()));
        }
        if token.user_pin_locked() {
            return Err(Fault::Passing("the PIN is locked".to_owned()));
        }
        if token.user_pin_final_try() {
            let text = "one more wrong PIN locks the token: log in with the right one by another program first";
            return Err(Fault::Passing(text.to_owned()));
        }
        let (pin, digest) = self.pin.read().map_err(|error| Fault::Passing(error.to_string()))?;
        if self.refused.as_ref().is_some_and(|refused| refused.as_ref() == digest.as_ref()) {
            return Err(refused_before());
        }
        match session.login(UserType::User, Some(&AuthPin::new(pin.expose().into()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) if was_not_tried(&error) => Err(Fault::Passing(said(&error))),
            Err(error) => {
                self.refused = Some(digest);
                let text = format!("{}; it is not tried again before the file of the PIN has another", said(&error));
                Err(Fault::Pin(text))
            }
        }
    }
}

fn refused_before() -> Fault {
    Fault::Pin("the token has refused the PIN; it is not tried again before the file of the PIN has another".to_owned())
}

/// Whether the PIN was surely not looked at. Of any other error nobody knows.
fn was_not_tried(error: &Error) -> bool {
    use RvError as E;
    matches!(
        error,
        Error::Pkcs11(
            E::CryptokiNotInitialized
                | E::DeviceError
                | E::DeviceMemory
                | E::DeviceRemoved
                | E::HostMemory
                | E::SessionClosed
                | E::SessionHandleInvalid
                | E::TokenNotPresent
                | E::TokenNotRecognized,
            _
        )
    )
}
