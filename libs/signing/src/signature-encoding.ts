/**
 * `der`: the ASN.1 SEQUENCE of SEC1 §C.8 (68–72 bytes, rarely fewer). `raw`: r‖s with 32 bytes each (IEEE
 * P1363, RFC 7518 §3.4).
 */
export type SignatureEncoding = 'der' | 'raw';

export const DSA_ENCODING = { der: 'der', raw: 'ieee-p1363' } as const satisfies Record<
  SignatureEncoding,
  string
>;
