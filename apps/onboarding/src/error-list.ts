import {
  FAULTS_BY_PROBLEM,
  PROBLEMS,
  PROBLEM_CODES,
  membersOf,
  statusesOf,
  type ProblemCode,
} from '#libs/kernel';
import type { ResultCode } from '#libs/onboarding';
import { html, page } from './html.js';

interface Entry {
  code: ProblemCode;
  status: string;
  title: string;
  cause: string;
  remedy: string;
  /** The members that only problems of this code have, in backquotes. */
  members: string;
}

const ENTRIES: readonly Entry[] = PROBLEM_CODES.map((code) => {
  const { title, cause, remedy } = PROBLEMS[code];
  const members = membersOf(code)
    .map((member) => `\`${member}\``)
    .join(', ');
  return { code, status: statusesOf(code).join(' or '), title, cause, remedy, members };
});

const FAULT_LISTS = Object.entries(FAULTS_BY_PROBLEM).map(([problem, faults]) => ({
  problem,
  faults: Object.entries(faults).map(([code, fault]) => ({ code, ...fault })),
}));

const POLICY = 'The caller gets `upstream_rejected`. Have the provider’s administrator change the policy.';

/** The meanings of codes that only `lastResult` and `failure` can have. */
const ONLY_RESULTS: Record<Exclude<ResultCode, ProblemCode>, string> = {
  upstream_unavailable:
    'The provider failed, or could not be reached. While `nextAction` is `wait`, the service tries again. ' +
    'Otherwise do what `nextAction` says.',
  upstream_misconfigured:
    'The provider refuses the service itself. While `nextAction` is `wait`, the step continues once an ' +
    'operator has corrected this. Otherwise do what `nextAction` says.',
  integration_paused: 'An operator has paused the integration. The step continues after the pause.',
  consensus_needed: `A policy at the provider requires approvals by others. ${POLICY}`,
  mfa_needed: `A policy at the provider requires another factor. ${POLICY}`,
};

/** @returns Markdown for docs/reference/errors.md. */
export function errorsMarkdown(): string {
  const entries = ENTRIES.map(({ code, status, title, cause, remedy, members }) =>
    [
      `## ${code}`,
      `**${status}** ${title}.`,
      `- Why: ${cause}`,
      `- What to do: ${remedy}`,
      ...(members ? [`- Members: ${members}`] : []),
    ].join('\n'),
  );
  return `${INTRODUCTION}\n\n${entries
    .join('\n\n')
    .replaceAll(/(\*\*.*\*\* .*\.)\n- /g, '$1\n\n- ')
    .replaceAll(/^(## .*)\n/gm, '$1\n\n')}\n\n${resultList()}\n\n${FAULTS_INTRODUCTION}\n${faultLists()}`;
}

function resultList(): string {
  const lines = Object.entries(ONLY_RESULTS).map(([code, meaning]) => `- \`${code}\`: ${meaning}`);
  return `## Codes in lastResult\n\n${RESULTS_INTRODUCTION}\n\n${lines.join('\n')}`;
}

function faultLists(): string {
  return FAULT_LISTS.map(({ problem, faults }) => {
    const lines = faults.map(({ code, meaning, remedy }) => `- \`${code}\`: ${meaning} ${remedy}`);
    return `\n### In ${problem}\n\n${lines.join('\n')}\n`;
  }).join('');
}

const RESULTS_INTRODUCTION =
  'If a step does not succeed, `lastResult.code` of the onboarding has a code from above, or one of these:';

const FAULTS_INTRODUCTION = `## Codes in errors

- \`errors[].code\` names one fault.
- \`errors[].pointer\` says where it is (RFC 6901).
- \`lastResult\` and \`failure\` of an onboarding list faults with the same codes.

Each entry says what is wrong and what to do.`;

const INTRODUCTION = `# Errors

Every answer that is not 2xx is a problem (RFC 9457) of type \`application/problem+json\`.

- \`code\` is one of the codes below. Switch on it: it keeps its meaning.
- \`type\` links to the code's entry here.
- \`detail\` is for people and may change.
- If \`retryable\` is true, the same request may succeed later.
- \`traceId\` finds the request in the logs.`;

/** @returns an HTML page for /docs/errors. */
export function errorsPage(): string {
  const entries = ENTRIES.map(
    ({ code, status, title, cause, remedy, members }) =>
      html`<section class="card" id="${code}">
        <h2>${code}</h2>
        <p>${status}: ${title}.</p>
        <p>Why: ${plain(cause)}</p>
        <p>What to do: ${plain(remedy)}</p>
        ${members ? html`<p class="quiet">Members: ${plain(members)}</p>` : ''}
      </section>`,
  );
  const results = html`<section class="card" id="results">
    <h2>Codes in lastResult</h2>
    <p>${plain(RESULTS_INTRODUCTION)}</p>
    ${Object.entries(ONLY_RESULTS).map(
      ([code, meaning]) => html`<p><code>${code}</code>: ${plain(meaning)}</p>`,
    )}
  </section>`;
  const faults = FAULT_LISTS.map(
    ({ problem, faults: ofProblem }) =>
      html`<section class="card" id="faults-${problem}">
        <h2>Codes in errors of ${problem}</h2>
        ${ofProblem.map(
          ({ code, meaning, remedy }) =>
            html`<p><code>${code}</code>: ${plain(meaning)} ${plain(remedy)}</p>`,
        )}
      </section>`,
  );
  const body = html`<main>
    <h1>Errors</h1>
    <p>Switch on <code>code</code>: it keeps its meaning. <a href="/docs">All routes</a></p>
    ${entries} ${results} ${faults}
  </main>`;
  return page('Errors', body);
}

const plain = (text: string) => text.replaceAll('`', '');
