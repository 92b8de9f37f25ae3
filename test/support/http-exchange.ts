import { FAULTS_BY_PROBLEM, FAULT_CODES } from '#libs/kernel';
import { request } from 'node:http';
import { expect } from '@jest/globals';
import { undocumentedMembers } from './documented.js';
import { API_KEY, type Story } from './story.js';

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** Sends exactly this path, which `fetch` would normalize. */
export function send(
  story: Pick<Story, 'serviceUrl'>,
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<Reply> {
  const { hostname, port } = new URL(story.serviceUrl);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    // The server may close the connection before it has read a large body. After the answer, `reject` has no
    // effect.
    sent.on('error', reject);
    sent.end(body);
  });
}

export const KEY = { authorization: `Bearer ${API_KEY}` };
export const JSON_KEY = { ...KEY, 'content-type': 'application/json' };

export interface Problem {
  instance: string;
  errors: { pointer: string; code: string }[];
  version: number;
  onboardingId: string;
  nextAction: { until: string };
}

const faultCodesOf = (code: string): string[] =>
  code in FAULTS_BY_PROBLEM
    ? Object.keys(FAULTS_BY_PROBLEM[code as keyof typeof FAULTS_BY_PROBLEM])
    : FAULT_CODES;

/** Checks that a reply is a complete problem, and shows nothing internal. */
export function expectProblem(reply: Reply, status: number, code: string): Problem {
  expect({ status: reply.status, type: reply.headers['content-type'] }).toEqual({
    status,
    type: expect.stringMatching(/^application\/problem\+json/),
  });
  const problem = JSON.parse(reply.text) as Problem;
  expect(problem).toMatchObject({
    type: `/docs/errors#${code}`,
    title: expect.stringMatching(/./),
    status,
    detail: expect.stringMatching(/./),
    instance: expect.stringMatching(/^\//),
    code,
    traceId: reply.headers['x-request-id'],
    retryable: expect.any(Boolean),
  });
  expect(undocumentedMembers(problem, code)).toEqual([]);
  for (const fault of problem.errors ?? []) expect(faultCodesOf(code)).toContain(fault.code);
  expect(reply.headers['cache-control']).toBe('no-store');
  expect(reply.text).not.toMatch(/node_modules|\bat .+:\d+:\d+|stack/);
  return problem;
}

export const pointers = ({ errors }: Problem) => errors.map(({ pointer }) => pointer);
