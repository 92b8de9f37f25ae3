import type { Call } from '#libs/upstream';

/** The limits of a call upstream. The call may begin immediately, and its saved texts stay in memory. */
export function aCall(terms: Partial<Call> = {}): Call {
  const kept = new Map<string, string>();
  return {
    timeoutMs: 2_000,
    beforeSend: () => undefined,
    kept: async (name, make) => {
      const text = kept.get(name) ?? (await make());
      kept.set(name, text);
      return text;
    },
    ...terms,
  };
}
