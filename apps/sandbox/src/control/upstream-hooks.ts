import type { OutgoingHttpHeaders } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { doorOf, pathOf } from '../doors.js';
import type { SandboxClock } from '../sandbox-clock.js';
import type { Fault, FaultAnswer, Faults } from './faults.js';
import type { Journal, JournalEntry } from './journal.js';
import type { UpstreamReader } from './upstream-reader.js';
import { recordVisit, visitOf } from './visits.js';
import type { Visit } from './visits.js';

export interface UpstreamHooksContext {
  clock: SandboxClock;
  faults: Faults;
  journal: Journal;
  /** The first reader whose `owns` returns true reads a request. */
  readers: readonly UpstreamReader[];
  /** Aborted when the sandbox closes, so that a delayed answer does not delay the close. */
  closing: AbortSignal;
}

/**
 * Writes each upstream request into the journal, and applies faults before the route runs, or after its
 * effect. Only a hook can replace the answer of a guard, pipe or filter, and cut the connection.
 */
export function installUpstreamHooks(fastify: FastifyInstance, context: UpstreamHooksContext): void {
  fastify.addHook('preHandler', async (request, reply) => {
    if (doorOf(request) === 'sandbox') return;
    const visit = openVisit(request, reply, context);
    if (!visit.fault || visit.fault.effectFirst) return;
    const answer = await strike(visit.fault, visit, reply, null, context.closing);
    if (answer !== null) return reply.send(answer);
  });

  fastify.addHook('onSend', async (request, reply, payload: unknown) => {
    const visit = visitOf(request);
    if (!visit) return payload;
    // Callers measure their clock skew with this header.
    reply.header('date', new Date(context.clock.headerNowMs()).toUTCString());
    const body = visit.fault?.effectFirst
      ? await strike(visit.fault, visit, reply, payload, context.closing)
      : payload;
    visit.answered(reply.statusCode);
    return body;
  });
}

/**
 * @param payload the true answer's body; null if there is none yet
 * @returns the body of the answer; never resolves if the connection was cut
 */
async function strike<Payload>(
  fault: Fault,
  visit: Visit,
  reply: FastifyReply,
  payload: Payload,
  closing: AbortSignal,
): Promise<Payload | Buffer> {
  if (fault.delayMs > 0) await delay(fault.delayMs, undefined, { signal: closing }).catch(() => undefined);
  if (fault.cut === 'before' || fault.cut === 'after') return drop(visit, reply);
  const body = fault.answer ? apply(fault.answer, visit.upstream, reply) : payload;
  if (fault.cut !== 'mid-response') return body;
  await sendHalf(reply, body);
  return drop(visit, reply);
}

function openVisit(request: FastifyRequest, reply: FastifyReply, context: UpstreamHooksContext): Visit {
  const { clock, faults, journal, readers } = context;
  const rawBody = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const { method, url } = request;
  const path = pathOf(url);
  const upstream = readers.find((reader) => reader.owns(request));
  if (!upstream) throw new Error('no upstream owns the path');
  const { ids, headers, verdict, stamped } = upstream.read(request, rawBody);
  const entry = journal.open({
    at: new Date(clock.nowMs()).toISOString(),
    route: request.is404 ? path : path.slice(path.lastIndexOf('/') + 1),
    method,
    ...ids,
    headers: { ...headers, requestId: requestIdOf(request) },
  });
  const fault = faults.take({ ...entry, path });
  entry.fault = fault?.id ?? null;
  const answered = (answer: NonNullable<JournalEntry['answer']>) => {
    if (entry.answer !== null && answer !== 'client_gone') return;
    entry.answer = answer;
    entry.answeredAt ??= new Date(clock.nowMs()).toISOString();
  };
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished && entry.answer !== 'cut') answered('client_gone');
  });
  const recordEffect = (effect: object | null) => {
    entry.effect = effect;
    const { userId } = (effect ?? {}) as { userId?: string };
    entry.userId ??= userId ?? null;
  };
  const visit = { entry, upstream, verdict, stamped, fault, answered, recordEffect };
  recordVisit(request, visit);
  return visit;
}

function requestIdOf({ headers }: FastifyRequest): string | null {
  const id = headers['x-request-id'];
  return typeof id === 'string' ? id : null;
}

/** Returns bytes, because Fastify would add a charset to the content type of a string. */
function apply(answer: FaultAnswer, upstream: UpstreamReader, reply: FastifyReply): Buffer {
  reply.code(answer.status).type(answer.contentType).removeHeader('content-length');
  if (answer.retryAfterS !== null) reply.header('retry-after', String(answer.retryAfterS));
  return Buffer.from(answer.body ?? JSON.stringify(upstream.scriptedError(answer.status)));
}

/** The promise never resolves, because otherwise Fastify would write an answer to the closed connection. */
function drop(visit: Visit, reply: FastifyReply): Promise<never> {
  visit.answered('cut');
  reply.raw.destroy();
  return new Promise<never>(() => undefined);
}

/** Sends the head with the full content length, and half of the body. */
async function sendHalf(reply: FastifyReply, payload: unknown): Promise<void> {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(typeof payload === 'string' ? payload : '');
  const headers = { ...reply.getHeaders(), 'content-length': bytes.length } as OutgoingHttpHeaders;
  reply.raw.writeHead(reply.statusCode, headers);
  const half = bytes.subarray(0, bytes.length >> 1);
  await new Promise<void>((resolve) => reply.raw.write(half, () => resolve()));
}
