//! Native OpenSSL 3, as it is installed, through its EVP functions: what RSA in wasm is compared with.
//!
//! The library is loaded when it is needed, so that nobody needs its headers to build, or it at all for the rest.
#![allow(unsafe_code, reason = "the functions of a C library")]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_uchar, c_uint, c_ulong, c_void};
use std::ptr::{null, null_mut};

/// Where OpenSSL 3 is found: on Linux, and with Homebrew on macOS. `LIBCRYPTO=path` takes another.
const NAMES: [&str; 3] = [
    "libcrypto.so.3",
    "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib",
    "/usr/local/opt/openssl@3/lib/libcrypto.3.dylib",
];

const NOW: c_int = 2;
const VERSION: c_int = 0;
const PSS_PADDING: c_int = 6;
/// As long as the hash.
const SALT_LENGTH: c_int = -1;

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// Declares the functions that are looked up by name, with their C types.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        #[allow(non_snake_case, reason = "the names of the library")]
        struct Functions { $($name: unsafe extern "C" fn($($argument),*) -> $result,)* }

        impl Functions {
            fn find(library: *mut c_void) -> Option<Self> {
                Some(Self { $($name: {
                    let name = concat!(stringify!($name), "\0");
                    // SAFETY: the name ends with a zero.
                    let found = unsafe { dlsym(library, name.as_ptr().cast()) };
                    if found.is_null() {
                        return None;
                    }
                    // SAFETY: OpenSSL 3 documents the function with these types.
                    unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) -> $result>(found) }
                },)* })
            }
        }
    };
}

type Key = *mut c_void;
type Context = *mut c_void;
type Hash = *const c_void;

functions! {
    OpenSSL_version(c_int) -> *const c_char;
    OPENSSL_version_major() -> c_uint;
    d2i_AutoPrivateKey(*mut Key, *mut *const c_uchar, c_long) -> Key;
    EVP_sha256() -> Hash;
    EVP_Digest(*const c_void, usize, *mut c_uchar, *mut c_uint, Hash, *mut c_void) -> c_int;
    EVP_PKEY_CTX_new(Key, *mut c_void) -> Context;
    EVP_PKEY_sign_init(Context) -> c_int;
    EVP_PKEY_verify_init(Context) -> c_int;
    EVP_PKEY_CTX_set_rsa_padding(Context, c_int) -> c_int;
    EVP_PKEY_CTX_set_rsa_pss_saltlen(Context, c_int) -> c_int;
    EVP_PKEY_CTX_set_signature_md(Context, Hash) -> c_int;
    EVP_PKEY_sign(Context, *mut c_uchar, *mut usize, *const c_uchar, usize) -> c_int;
    EVP_PKEY_verify(Context, *const c_uchar, usize, *const c_uchar, usize) -> c_int;
    ERR_get_error() -> c_ulong;
}

/// The library. It stays loaded.
pub struct OpenSsl(Functions);

/// A private key that is ready to sign and to verify (`PS256`). The contexts are made once, which is the fastest way.
pub struct Pair<'l> {
    functions: &'l Functions,
    sign: Context,
    verify: Context,
}

impl OpenSsl {
    /// Loads it. `None` if there is none.
    pub fn load() -> Option<Self> {
        let chosen = std::env::var("LIBCRYPTO").ok();
        let names = chosen.as_deref().map_or(NAMES.to_vec(), |name| vec![name]);
        let functions = names.into_iter().find_map(|name| {
            let name = CString::new(name).ok()?;
            // SAFETY: the name ends with a zero. The library is trusted as the rest of the system is.
            let library = unsafe { dlopen(name.as_ptr(), NOW) };
            if library.is_null() { None } else { Functions::find(library) }
        })?;
        // SAFETY: no arguments.
        (unsafe { (functions.OPENSSL_version_major)() } == 3).then_some(Self(functions))
    }

    /// What it calls itself.
    pub fn version(&self) -> String {
        // SAFETY: a text of the library that never goes.
        let text = unsafe { CStr::from_ptr((self.0.OpenSSL_version)(VERSION)) };
        text.to_string_lossy().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// A key from PKCS#8 DER. It is never freed.
    pub fn pair(&self, pkcs8: &[u8]) -> Pair<'_> {
        let functions = &self.0;
        let mut bytes = pkcs8.as_ptr();
        let length = c_long::try_from(pkcs8.len()).expect("a short key");
        // SAFETY: as many bytes as it says.
        let key = unsafe { (functions.d2i_AutoPrivateKey)(null_mut(), &mut bytes, length) };
        assert!(!key.is_null(), "OpenSSL does not read the key: {:x}", functions.error());
        let [sign, verify] = [functions.EVP_PKEY_sign_init, functions.EVP_PKEY_verify_init].map(|initialise| {
            // SAFETY: the key is one, and so is the context.
            let (context, done) = unsafe {
                let context = (functions.EVP_PKEY_CTX_new)(key, null_mut());
                assert!(!context.is_null(), "OpenSSL has no context");
                let done = [
                    initialise(context),
                    (functions.EVP_PKEY_CTX_set_rsa_padding)(context, PSS_PADDING),
                    (functions.EVP_PKEY_CTX_set_rsa_pss_saltlen)(context, SALT_LENGTH),
                    (functions.EVP_PKEY_CTX_set_signature_md)(context, (functions.EVP_sha256)()),
                ];
                (context, done)
            };
            assert!(done.iter().all(|status| *status > 0), "OpenSSL does not do PS256: {:x}", functions.error());
            context
        });
        Pair { functions, sign, verify }
    }
}

impl Functions {
    fn error(&self) -> c_ulong {
        // SAFETY: no arguments.
        unsafe { (self.ERR_get_error)() }
    }

    fn sha256(&self, message: &[u8]) -> [u8; 32] {
        let mut digest = [0; 32];
        // SAFETY: the message is as long as it says, and the digest has 32 bytes.
        let status = unsafe {
            (self.EVP_Digest)(
                message.as_ptr().cast(),
                message.len(),
                digest.as_mut_ptr(),
                null_mut(),
                (self.EVP_sha256)(),
                null::<c_void>().cast_mut(),
            )
        };
        assert_eq!(status, 1, "OpenSSL does not hash");
        digest
    }
}

impl Pair<'_> {
    /// Signs a message; panics if that fails.
    pub fn sign(&self, message: &[u8]) -> [u8; 512] {
        let digest = self.functions.sha256(message);
        let (mut signature, mut length) = ([0; 512], 512);
        // SAFETY: the context is one; no signature is longer.
        let status = unsafe {
            (self.functions.EVP_PKEY_sign)(
                self.sign,
                signature.as_mut_ptr(),
                &mut length,
                digest.as_ptr(),
                digest.len(),
            )
        };
        assert_eq!(status, 1, "OpenSSL does not sign");
        signature
    }

    /// Whether this is the signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let digest = self.functions.sha256(message);
        // SAFETY: the context is one, and both are as long as it says.
        let status = unsafe {
            (self.functions.EVP_PKEY_verify)(
                self.verify,
                signature.as_ptr(),
                signature.len(),
                digest.as_ptr(),
                digest.len(),
            )
        };
        status == 1
    }
}
