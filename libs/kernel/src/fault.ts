interface Fault {
  meaning: string;
  remedy: string;
}

/** Most of these codes come from the validator. */
const REQUEST_FAULTS = {
  invalid_type: {
    meaning: 'A value is missing, or does not have the JSON type that the schema requires.',
    remedy: 'Send a value of the type that the schema names.',
  },
  invalid_value: {
    meaning: 'The value is not one of the values that the member accepts.',
    remedy: 'Send one of the values that `detail` lists.',
  },
  invalid_format: {
    meaning: 'The text does not have the format of the member, e.g. UUID, instant or base64url.',
    remedy: 'Send the format that `detail` names.',
  },
  invalid_json: {
    meaning: 'The text is not a JSON object.',
    remedy: 'Send a JSON object as text.',
  },
  invalid_key: {
    meaning: 'An object has a member whose name is too long.',
    remedy: 'Shorten the name to 64 characters.',
  },
  invalid_element: {
    meaning: 'An entry of a list or map is not allowed.',
    remedy: 'Read `detail`, and correct the entry.',
  },
  invalid_union: {
    meaning: 'The object has none of the allowed forms, or mixes two of them.',
    remedy: 'Choose one form, and send exactly its members.',
  },
  invalid_cursor: {
    meaning: 'The cursor does not come from this service.',
    remedy: 'Send `nextCursor` of the page before, or leave the cursor out.',
  },
  unstorable_text: {
    meaning: 'A text has U+0000 or half of a surrogate pair, or the JSON is deeper than 8 levels.',
    remedy: 'Remove such characters, and flatten the JSON.',
  },
  too_big: {
    meaning: 'The number is too high, or the text, list or JSON is too long.',
    remedy: 'Stay within the limit that `detail` names.',
  },
  too_small: {
    meaning: 'The number is too low, or the text or list is too short.',
    remedy: 'Reach the limit that `detail` names.',
  },
  not_multiple_of: {
    meaning: 'The number is not a multiple of the required number.',
    remedy: 'Send a multiple of the number that `detail` names.',
  },
  unrecognized_keys: {
    meaning: 'The object at `pointer` has members that the service does not know.',
    remedy: 'Remove the members that `detail` names.',
  },
  not_supported: {
    meaning: 'The member is not allowed with this provider, integration or custody.',
    remedy: 'Leave the member out.',
  },
  exactly_one_needed: {
    meaning: 'The request must have exactly one of two members, but has both or none.',
    remedy: 'Send exactly one of the members that `detail` names.',
  },
  contradiction: {
    meaning: 'Two members contradict each other.',
    remedy: 'Change one of them, as `detail` says.',
  },
  duplicate_member: {
    meaning: 'The JSON names a member twice.',
    remedy: 'Send each member once.',
  },
  unknown_integration: {
    meaning: 'No integration has this name, or several are configured and the request names none.',
    remedy: 'Send the name of a configured integration.',
  },
  parent_organization: {
    meaning: '`organizationId` is the parent organization, which has no users.',
    remedy: 'Send the id of the user’s sub-organization.',
  },
  wrong_organization: {
    meaning: 'The device signed for another organization than the session’s.',
    remedy: 'Sign `deviceSigning.organizationId` of the onboarding.',
  },
  wrong_user: {
    meaning: 'The device signed for another user than the session’s.',
    remedy: 'Sign `deviceSigning.userId` of the onboarding.',
  },
  bad_timestamp: {
    meaning: 'The device’s request is more than 55 minutes old, or more than 5 minutes in the future.',
    remedy: 'Let the device sign again, with the right time.',
  },
  malformed: {
    meaning: 'The device’s signature or stamp cannot be read.',
    remedy: 'Make it with the provider’s own package.',
  },
  wrong_algorithm: {
    meaning: 'The device signed with another algorithm than P-256 with SHA-256.',
    remedy: 'Make the signature with the provider’s own package.',
  },
  wrong_key: {
    meaning: 'The device signed with another key than the session’s.',
    remedy: 'Sign with the key whose public half was encrypted together with the code.',
  },
  wrong_message: {
    meaning: 'The device signed another message than the expected one.',
    remedy: 'Sign `deviceSigning.loginMessage` of the onboarding, byte by byte.',
  },
  bad_signature: {
    meaning: 'The signature does not verify.',
    remedy: 'Sign the sent bytes with the key of the session.',
  },
  missing_claims: {
    meaning: 'The device’s proof lacks a claim.',
    remedy: 'Make the proof with the provider’s own package.',
  },
  expired: {
    meaning: 'The device’s proof has expired.',
    remedy: 'Let the device make a new one.',
  },
} as const satisfies Record<string, Fault>;

const CONTACT_FAULTS = {
  contact_invalid: {
    meaning: 'The provider cannot send a code to the contact.',
    remedy: 'Ask the user for another address or number, and start again.',
  },
} as const satisfies Record<string, Fault>;

export const PASSKEY_FAULTS = {
  client_data_malformed: {
    meaning: 'The client data is not a JSON object, or has a member twice.',
    remedy: 'Send `clientDataJSON` as the browser gave it.',
  },
  type_mismatch: {
    meaning: 'The client data is not from a registration.',
    remedy: 'Use `navigator.credentials.create`, not `get`.',
  },
  challenge_mismatch: {
    meaning:
      'The challenge was not issued for this onboarding, was used, or is too old. ' +
      'Or five submissions with it have failed, or are still being checked.',
    remedy: 'Ask for fresh options, and let the user create the passkey again.',
  },
  origin_not_allowed: {
    meaning: 'This integration does not allow the origin.',
    remedy: 'Ask the operators to allow the origin of your page or app.',
  },
  cross_origin_not_allowed: {
    meaning: 'The passkey was made in a frame of another origin.',
    remedy: 'Create the passkey in a page that is not in a frame of another origin.',
  },
  top_origin_not_allowed: {
    meaning: 'The client data names the page around a frame, but frames are not allowed.',
    remedy: 'Create the passkey in a page that is not in a frame.',
  },
  attestation_too_large: {
    meaning: 'The attestation object is larger than 16384 bytes.',
    remedy: 'Ask the user to use another authenticator.',
  },
  attestation_malformed: {
    meaning: 'The attestation object is not a CBOR map of fmt, attStmt and authData, or has too many items.',
    remedy: 'Send `attestationObject` as the browser gave it.',
  },
  attestation_trailing_bytes: {
    meaning: 'The attestation object has extra bytes at its end.',
    remedy: 'Send `attestationObject` as the browser gave it.',
  },
  authenticator_data_malformed: {
    meaning: 'The authenticator data cannot be read.',
    remedy: 'Ask the user to use another authenticator.',
  },
  authenticator_data_trailing_bytes: {
    meaning: 'The authenticator data has extra bytes at its end.',
    remedy: 'Ask the user to use another authenticator.',
  },
  attested_credential_missing: {
    meaning: 'The authenticator data contains no credential.',
    remedy: 'Use `navigator.credentials.create`, not `get`.',
  },
  rp_id_mismatch: {
    meaning: 'The passkey belongs to another relying party.',
    remedy: 'Pass `rp.id` of the options to the browser unchanged.',
  },
  user_not_present: {
    meaning: 'The authenticator did not check that a user is present.',
    remedy: 'Ask the user to use another authenticator.',
  },
  user_not_verified: {
    meaning: 'The authenticator did not verify its user.',
    remedy: 'Let the user confirm with a PIN, a finger or the face.',
  },
  backup_state_invalid: {
    meaning: 'The flags contradict each other: the passkey is backed up, but not eligible for backup.',
    remedy: 'Ask the user to use another authenticator.',
  },
  algorithm_not_allowed: {
    meaning: 'This integration does not allow the key’s algorithm.',
    remedy: 'Pass `pubKeyCredParams` of the options to the browser unchanged.',
  },
  public_key_malformed: {
    meaning:
      'The public key does not fit its algorithm, has extra members, or is RSA of an unsupported size.',
    remedy: 'Ask the user to use another authenticator.',
  },
  credential_not_discoverable: {
    meaning: 'The passkey is not discoverable, but this integration requires it.',
    remedy: 'Pass `authenticatorSelection` of the options to the browser unchanged.',
  },
  attestation_format_unknown: {
    meaning: 'The service cannot verify this attestation format.',
    remedy: 'Ask the user to use another authenticator.',
  },
  attestation_statement_unexpected: {
    meaning: 'The attestation has the format `none`, but contains a statement.',
    remedy: 'Send `attestationObject` as the browser gave it.',
  },
  attestation_not_trusted: {
    meaning: 'The attestation’s certificates do not lead to a trusted root of its format.',
    remedy: 'Ask the user to use another authenticator.',
  },
  attestation_not_verified: {
    meaning: 'The attestation statement does not verify.',
    remedy: 'Ask the user to use another authenticator.',
  },
  attestation_required: {
    meaning: 'This integration accepts only passkeys whose attestation proves the authenticator’s model.',
    remedy: 'Ask the user to let the browser send the attestation, or to use another authenticator.',
  },
  aaguid_denied: {
    meaning: 'This integration does not accept authenticators of this model.',
    remedy: 'Ask the user to use another authenticator.',
  },
  aaguid_not_allowed: {
    meaning: 'The model is not on the integration’s list of allowed models.',
    remedy: 'Ask the user to use a model that the integration allows.',
  },
  credential_id_too_short: {
    meaning: 'The credential id is shorter than 16 bytes.',
    remedy: 'Ask the user to use another authenticator.',
  },
  credential_id_too_long: {
    meaning: 'The credential id is longer than 1023 bytes.',
    remedy: 'Ask the user to use another authenticator.',
  },
  credential_id_mismatch: {
    meaning: 'The credential id differs from the one in the authenticator data.',
    remedy: 'Send `id` and `rawId` as the browser gave them.',
  },
  credential_duplicate: {
    meaning: 'Each passkey needs its own challenge, and may be submitted only once.',
    remedy: 'Ask for options once per passkey, and send each passkey once.',
  },
  // The texts must not reveal which user has the passkey.
  credential_already_registered: {
    meaning: 'A passkey with this credential id is registered already.',
    remedy: 'Tell the user that this passkey works already, or offer another authenticator.',
  },
  too_many_authenticators: {
    meaning: 'The subject would have more passkeys than this integration allows.',
    remedy: 'Send fewer passkeys, or let the user delete one at the provider first.',
  },
  upstream_refused: {
    meaning: 'The provider did not accept the passkey.',
    remedy: 'Read `detail`. If it names no reason, ask the operators.',
  },
} as const satisfies Record<string, Fault>;

/** Callers switch on a code, so it keeps its name and its meaning. */
export const FAULTS_BY_PROBLEM = {
  validation_failed: REQUEST_FAULTS,
  contact_invalid: CONTACT_FAULTS,
  attestation_invalid: PASSKEY_FAULTS,
} as const;

export type PasskeyFaultCode = keyof typeof PASSKEY_FAULTS;
export type RequestFaultCode = keyof typeof REQUEST_FAULTS;
export type FaultCode = RequestFaultCode | keyof typeof CONTACT_FAULTS | PasskeyFaultCode;

export const REQUEST_FAULT_CODES = Object.keys(REQUEST_FAULTS) as [RequestFaultCode, ...RequestFaultCode[]];
export const FAULT_CODES = Object.values(FAULTS_BY_PROBLEM).flatMap(
  (faults) => Object.keys(faults) as FaultCode[],
);

export const isRequestFaultCode = (code: unknown): code is RequestFaultCode =>
  typeof code === 'string' && Object.hasOwn(REQUEST_FAULTS, code);

/** `pointer` is a JSON pointer (RFC 6901). */
export interface FieldError {
  pointer: string;
  code: FaultCode;
  detail: string;
}
