/**
 * How the two numbers of a signature are written down: `der` is the ASN.1 SEQUENCE of SEC1 §C.8 (68–72 bytes,
 * rarely fewer), `raw` is r‖s at 32 bytes each (IEEE P1363, RFC 7518 §3.4).
 */
export type SignatureEncoding = 'der' | 'raw';

/** The same by node:crypto's names. */
export const DSA_ENCODING = { der: 'der', raw: 'ieee-p1363' } as const satisfies Record<
  SignatureEncoding,
  string
>;
