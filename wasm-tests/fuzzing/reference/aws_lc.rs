//! Names of certificates as AWS-LC reads and prints them. It has this code from OpenSSL, by way of BoringSSL, which is Envoy's.

use std::ffi::c_long;
use std::{ptr, slice};

use aws_lc_sys as aws_lc;

/// What a certificate says: names, by the option `XN_FLAG_RFC2253`, and from when to when it is valid, in seconds since 1970, if these
/// times are times.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) issuer: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) validity: Option<[i64; 2]>,
}

/// A name: how it is printed, and its attributes in the order of the certificate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) printed: Vec<u8>,
    pub(crate) attributes: Vec<Attribute>,
}

/// An attribute of a name: the content of its OBJECT IDENTIFIER, and its value in UTF-8, if it is text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) oid: Vec<u8>,
    pub(crate) text: Option<String>,
}

/// The certificate of which these bytes are the DER. `None` if they are not, or something follows.
#[allow(unsafe_code, reason = "calls of C")]
pub(crate) fn certificate(der: &[u8]) -> Option<Certificate> {
    let mut rest = der.as_ptr();
    // SAFETY: `rest` points to that many bytes, which live on.
    let certificate = unsafe { aws_lc::d2i_X509(ptr::null_mut(), &raw mut rest, c_long::try_from(der.len()).ok()?) };
    if certificate.is_null() {
        clear_errors();
        return None;
    }
    // SAFETY: a certificate that was read, and is freed after its last use. Its names are its own.
    let read = unsafe {
        let read = Certificate {
            issuer: printed(aws_lc::X509_get_issuer_name(certificate)),
            subject: printed(aws_lc::X509_get_subject_name(certificate)),
            validity: seconds(aws_lc::X509_get0_notBefore(certificate))
                .zip(seconds(aws_lc::X509_get0_notAfter(certificate)))
                .map(Into::into),
        };
        aws_lc::X509_free(certificate);
        read
    };
    (rest == der.as_ptr_range().end).then_some(read)
}

/// The name of which these bytes are the DER. `None` if they are not, or something follows.
#[allow(unsafe_code, reason = "calls of C")]
pub(crate) fn name(der: &[u8]) -> Option<Name> {
    let mut rest = der.as_ptr();
    // SAFETY: as above.
    let name = unsafe { aws_lc::d2i_X509_NAME(ptr::null_mut(), &raw mut rest, c_long::try_from(der.len()).ok()?) };
    if name.is_null() {
        clear_errors();
        return None;
    }
    // SAFETY: a name that was read, and is freed after its last use. Its entries are its own.
    let read = unsafe {
        let count = aws_lc::X509_NAME_entry_count(name);
        let attributes = (0..count).map(|at| attribute(aws_lc::X509_NAME_get_entry(name, at))).collect();
        let read = Name { printed: printed(name), attributes };
        aws_lc::X509_NAME_free(name);
        read
    };
    (rest == der.as_ptr_range().end).then_some(read)
}

/// # Safety
/// `time` lives.
#[allow(unsafe_code, reason = "calls of C")]
unsafe fn seconds(time: *const aws_lc::ASN1_TIME) -> Option<i64> {
    let mut seconds = 0;
    // SAFETY: it reads the one and writes the other.
    let is_time = unsafe { aws_lc::ASN1_TIME_to_posix(time, &raw mut seconds) } == 1;
    clear_errors();
    is_time.then_some(seconds)
}

/// # Safety
/// `entry` is an entry of a name that lives.
#[allow(unsafe_code, reason = "calls of C")]
unsafe fn attribute(entry: *const aws_lc::X509_NAME_ENTRY) -> Attribute {
    // SAFETY: object and value are the entry's own. `text` is ours to free, and has as many bytes as were told.
    unsafe {
        let object = aws_lc::X509_NAME_ENTRY_get_object(entry);
        let oid = slice::from_raw_parts(aws_lc::OBJ_get0_data(object), aws_lc::OBJ_length(object)).to_vec();
        let mut text = ptr::null_mut();
        let length = aws_lc::ASN1_STRING_to_UTF8(&raw mut text, aws_lc::X509_NAME_ENTRY_get_data(entry));
        let Ok(length) = usize::try_from(length) else {
            clear_errors();
            return Attribute { oid, text: None };
        };
        let octets = if length == 0 { Vec::new() } else { slice::from_raw_parts(text, length).to_vec() };
        aws_lc::OPENSSL_free(text.cast());
        Attribute { oid, text: String::from_utf8(octets).ok() }
    }
}

/// # Safety
/// `name` lives.
#[allow(unsafe_code, reason = "calls of C")]
unsafe fn printed(name: *const aws_lc::X509_NAME) -> Vec<u8> {
    // SAFETY: the memory is freed after its content was copied.
    unsafe {
        let memory = aws_lc::BIO_new(aws_lc::BIO_s_mem());
        assert!(!memory.is_null(), "no memory");
        let written = aws_lc::X509_NAME_print_ex(memory, name, 0, aws_lc::XN_FLAG_RFC2253 as _);
        let (mut content, mut length) = (ptr::null(), 0);
        let has_content = aws_lc::BIO_mem_contents(memory, &raw mut content, &raw mut length);
        let text =
            if has_content == 1 && length > 0 { slice::from_raw_parts(content, length).to_vec() } else { Vec::new() };
        aws_lc::BIO_free(memory);
        if written < 0 {
            clear_errors();
        }
        text
    }
}

/// What is left of errors would grow.
#[allow(unsafe_code, reason = "a call of C")]
fn clear_errors() {
    // SAFETY: it takes nothing.
    unsafe { aws_lc::ERR_clear_error() }
}
