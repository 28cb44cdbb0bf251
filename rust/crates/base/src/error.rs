//! The closed list of S3 error codes and the one error type that crosses crates on its way to a client.
//!
//! A code that is not here cannot be answered. Status and default message stand beside the code, as AWS documents
//! them; only the renderer (crate `front`) turns an `S3Error` into bytes.

use std::fmt;

macro_rules! codes {
    ($($name:ident $status:literal $message:literal;)*) => {
        /// An S3 error code, spelt as Amazon spells it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[allow(missing_docs)]
        pub enum ErrorCode { $($name),* }
        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];
            /// The code as it stands in the XML document.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => stringify!($name)),* } }
            /// The HTTP status.
            pub fn status(self) -> u16 { match self { $(Self::$name => $status),* } }
            /// The message when nothing more precise is known.
            pub fn message(self) -> &'static str { match self { $(Self::$name => $message),* } }
            /// The code with this name.
            pub fn from_name(name: &str) -> Option<Self> { match name { $(stringify!($name) => Some(Self::$name),)* _ => None } }
        }
    };
}

codes! {
    AccessControlListNotSupported 400 "The bucket does not allow ACLs.";
    AccessDenied 403 "Access Denied.";
    AccessForbidden 403 "CORSResponse: CORS is not enabled for this bucket.";
    AccountProblem 403 "There is a problem with your account that prevents the operation from completing successfully.";
    AmbiguousGrantByEmailAddress 400 "The email address that you provided is associated with more than one account.";
    AuthorizationHeaderMalformed 400 "The authorization header is malformed.";
    AuthorizationQueryParametersError 400 "Error parsing the X-Amz-Credential parameter.";
    BadDigest 400 "The Content-MD5 or checksum value that you specified did not match what the server received.";
    BadRequest 400 "Bad Request.";
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it.";
    BucketNotEmpty 409 "The bucket you tried to delete is not empty.";
    ConditionalRequestConflict 409 "A conflicting operation occurred during the conditional request. Please try again.";
    CredentialsNotSupported 400 "This request does not support credentials.";
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed size.";
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed size.";
    ExpiredToken 400 "The provided token has expired.";
    IllegalLocationConstraintException 400 "The specified location constraint is incompatible for the region specific endpoint this request was sent to.";
    IllegalVersioningConfigurationException 400 "The versioning configuration specified in the request is invalid.";
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    IncorrectNumberOfFilesInPostRequest 400 "POST requires exactly one file upload per request.";
    InternalError 500 "We encountered an internal error. Please try again.";
    InvalidAccessKeyId 403 "The AWS access key ID that you provided does not exist in our records.";
    InvalidArgument 400 "Invalid Argument.";
    InvalidBucketAclWithObjectOwnership 400 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting.";
    InvalidBucketName 400 "The specified bucket is not valid.";
    InvalidBucketState 409 "The request is not valid with the current state of the bucket.";
    InvalidDigest 400 "The Content-MD5 or checksum value that you specified is not valid.";
    InvalidEncryptionAlgorithmError 400 "The encryption request that you specified is not valid. The valid value is AES256.";
    InvalidLocationConstraint 400 "The specified location constraint is not valid.";
    InvalidObjectState 403 "The operation is not valid for the current state of the object.";
    InvalidPart 400 "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag.";
    InvalidPartOrder 400 "The list of parts was not in ascending order. The parts list must be specified in order by part number.";
    InvalidPartNumber 416 "The requested partnumber is not satisfiable.";
    InvalidPolicyDocument 400 "The content of the form does not meet the conditions specified in the policy document.";
    InvalidRedirectLocation 400 "The website redirect location is not valid.";
    InvalidRange 416 "The requested range is not satisfiable.";
    InvalidRequest 400 "Invalid Request.";
    InvalidSecurity 403 "The provided security credentials are not valid.";
    InvalidSignature 400 "The request signature that the server calculated does not match the signature that you provided.";
    InvalidStorageClass 400 "The storage class that you specified is not valid.";
    InvalidTag 400 "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.";
    InvalidToken 400 "The provided token is malformed or otherwise not valid.";
    InvalidURI 400 "The specified URI couldn't be parsed.";
    KeyTooLongError 400 "Your key is too long.";
    MalformedACLError 400 "The ACL that you provided was not well formed or did not validate against our published schema.";
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data.";
    MalformedPolicy 400 "Policy has invalid resource.";
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    MalformedXML 400 "The XML that you provided was not well-formed or did not validate against our published schema.";
    MaxMessageLengthExceeded 400 "Your request was too large.";
    MaxPostPreDataLengthExceededError 400 "Your POST request fields preceding the upload file were too large.";
    MetadataConfigurationNotFound 404 "The metadata configuration was not found.";
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size.";
    MethodNotAllowed 405 "The specified method is not allowed against this resource.";
    MissingAuthenticationToken 403 "The request was not signed.";
    MissingContentLength 411 "You must provide the Content-Length HTTP header.";
    MissingRequestBodyError 400 "Request body is empty.";
    MissingSecurityHeader 400 "Your request is missing a required header.";
    NoSuchBucket 404 "The specified bucket does not exist.";
    NoSuchBucketPolicy 404 "The bucket policy does not exist.";
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist.";
    NoSuchConfiguration 404 "The specified configuration does not exist.";
    NoSuchKey 404 "The specified key does not exist.";
    NoSuchLifecycleConfiguration 404 "The lifecycle configuration does not exist.";
    NoSuchObjectLockConfiguration 404 "The specified object does not have an ObjectLock configuration.";
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found.";
    NoSuchTagSet 404 "The TagSet does not exist.";
    NoSuchUpload 404 "The specified multipart upload does not exist. The upload ID might not be valid, or the multipart upload might have been aborted or completed.";
    NoSuchVersion 404 "The specified version does not exist.";
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration.";
    NotImplemented 501 "A header or query that you provided implies functionality that is not implemented.";
    NotModified 304 "Not Modified.";
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket.";
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found.";
    PermanentRedirect 301 "The bucket that you are attempting to access must be addressed using the specified endpoint.";
    PreconditionFailed 412 "At least one of the preconditions you specified did not hold.";
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found.";
    RequestHeaderSectionTooLarge 400 "Your request header section exceeds the maximum allowed size.";
    RequestTimeTooSkewed 403 "The difference between the request time and the server's time is too large.";
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period.";
    ServerSideEncryptionConfigurationNotFoundError 404 "The server-side encryption configuration was not found.";
    ServiceUnavailable 503 "Service is unable to handle request.";
    SignatureDoesNotMatch 403 "The request signature that the server calculated does not match the signature that you provided. Check your AWS secret access key and signing method.";
    SlowDown 503 "Please reduce your request rate.";
    StorageFull 507 "The storage is full: delete objects or add space, then try again.";
    TooManyBuckets 400 "You have attempted to create more buckets than allowed.";
    Unauthorized 401 "A password is needed.";
    UnexpectedContent 400 "This request contains unsupported content.";
    UnresolvableGrantByEmailAddress 400 "The email address that you provided does not match any account on record.";
    UnsupportedSignature 400 "The provided request is signed with an unsupported STS Token version or the signature version is not supported.";
    UserKeyMustBeSpecified 400 "The bucket POST must contain the specified field name. If it is specified, check the order of the fields.";
    XAmzContentChecksumMismatch 400 "The provided checksum header does not match what was computed.";
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

/// The result of anything that may end in an error document.
pub type S3Result<T> = Result<T, S3Error>;

/// An answer that is an error: the code, a message, and the extra elements AWS adds for that code.
///
/// `detail` is for the log only and never reaches the client.
#[derive(Clone, Debug)]
pub struct S3Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: ErrorCode,
    message: Option<String>,
    fields: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    detail: Option<String>,
    clients: bool,
}

impl S3Error {
    /// An error with the code's own message.
    pub fn new(code: ErrorCode) -> Self {
        Self(Box::new(Inner {
            code,
            message: None,
            fields: Vec::new(),
            headers: Vec::new(),
            detail: None,
            clients: false,
        }))
    }

    /// An error with a message that says what would be right.
    pub fn with_message(code: ErrorCode, message: impl Into<String>) -> Self {
        let mut error = Self::new(code);
        error.0.message = Some(message.into());
        error
    }

    /// An InternalError whose cause goes to the log and not to the client.
    pub fn internal(detail: impl fmt::Display) -> Self {
        Self::new(ErrorCode::InternalError).detail(detail)
    }

    /// Adds an element to the document (`<Key>…</Key>`), as AWS does for some codes.
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.fields.push((name, value.into()));
        self
    }

    /// Puts other values into the elements for which `change` has one.
    #[must_use]
    pub fn map_fields(mut self, change: impl Fn(&str, &str) -> Option<String>) -> Self {
        for (name, value) in &mut self.0.fields {
            if let Some(other) = change(name, value) {
                *value = other;
            }
        }
        self
    }

    /// It tells only names that the client sent: nobody has to put others in their place.
    #[must_use]
    pub fn in_clients_names(mut self) -> Self {
        self.0.clients = true;
        self
    }

    /// Whether that is so.
    pub fn is_in_clients_names(&self) -> bool {
        self.0.clients
    }

    /// Adds a response header (`x-amz-delete-marker`, `Content-Range` of a 416 …). Lower-case name.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// Says more for the log.
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.0.detail = Some(detail.to_string());
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.code.status()
    }

    /// What the client reads.
    pub fn message(&self) -> &str {
        self.0.message.as_deref().unwrap_or_else(|| self.0.code.message())
    }

    /// Extra elements of the document, in order.
    pub fn fields(&self) -> &[(&'static str, String)] {
        &self.0.fields
    }

    /// Extra response headers, in order.
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.0.headers
    }

    /// What only the log reads.
    pub fn log_detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
}

impl From<ErrorCode> for S3Error {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.message())?;
        match &self.0.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for S3Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_name_and_a_status_of_an_answer() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.as_str()), Some(code));
            assert!((300..600).contains(&code.status()), "{}", code.as_str());
            assert!(!code.message().is_empty());
        }
    }
}
