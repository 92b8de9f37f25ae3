import type { z } from 'zod';
import { isRequestFaultCode, type FieldError, type RequestFaultCode } from '#libs/kernel';
import './schema-words.js';
import { shownMember } from './shown.js';

type Issue = z.core.$ZodIssue;

/** Options of `refine`: the code and the text that callers get if a value breaks the rule. */
export const rule = (code: RequestFaultCode, error: string) => ({ error, params: { code } });

function codeOf(issue: Issue): RequestFaultCode {
  const code: unknown = issue.code === 'custom' ? issue.params?.['code'] : issue.code;
  return isRequestFaultCode(code) ? code : 'invalid_value';
}

/**
 * @param root the place of the value in the request, e.g. `/subject`.
 * @returns the faults, each with a JSON pointer (RFC 6901). If a value may have several forms, only the
 *   faults of the form that the sender probably meant.
 */
export const fieldErrors = (issues: readonly Issue[], root = ''): FieldError[] =>
  faultsIn(issues).map((issue) => ({
    pointer: root + pointerOf(issue.path),
    code: codeOf(issue),
    detail: issue.message,
  }));

/** Like {@link fieldErrors}, but the pointer of an unknown member points to the member, not to its object. */
export const memberErrors = (issues: readonly Issue[], root: string): FieldError[] =>
  faultsIn(issues).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({
          pointer: root + pointerOf([...issue.path, key]),
          code: 'not_supported' as const,
          detail: 'is not known',
        }))
      : [{ pointer: root + pointerOf(issue.path), code: codeOf(issue), detail: issue.message }],
  );

/** Hides names that may be misplaced secrets. */
export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${shownMember(String(part)).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

const faultsIn = (issues: readonly Issue[]): Issue[] =>
  issues.flatMap((issue) => {
    if (issue.code !== 'invalid_union') return [issue];
    const forms = issue.errors.map(faultsIn);
    const meant = formMeant(forms);
    const inside = meant ?? sharedBy(forms);
    const faults = inside.map((fault) => ({ ...fault, path: [...issue.path, ...fault.path] }));
    return meant ? faults : [issue, ...faults];
  });

/**
 * Finds the form that the sender probably meant: the only form that has the type of the value, or else the
 * only form that knows a member of the value which another form does not know.
 *
 * @returns the issues of this form; null if there is not exactly one.
 */
function formMeant(forms: Issue[][]): Issue[] | null {
  const ofType = forms.filter((faults) => !faults.some(isOfRoot));
  if (ofType.length === 1) return ofType[0]!;
  const claims = ofType.map((form) => {
    const others = ofType.filter((other) => other !== form);
    return others.flatMap(unknownIn).some((name) => !unknownIn(form).includes(name));
  });
  const claimed = ofType.filter((_, index) => claims[index]);
  return claimed.length === 1 ? claimed[0]! : null;
}

const isOfRoot = ({ code, path }: Issue) => code === 'invalid_type' && path.length === 0;

const unknownIn = (faults: Issue[]): string[] =>
  faults.flatMap((fault) =>
    fault.code === 'unrecognized_keys' && fault.path.length === 0 ? fault.keys : [],
  );

const sharedBy = ([first = [], ...others]: Issue[][]): Issue[] =>
  first.filter((fault) => others.every((form) => form.some((other) => isSame(fault, other))));

const isSame = (one: Issue, other: Issue) =>
  one.message === other.message && pointerOf(one.path) === pointerOf(other.path);
