import type { FastifyRequest } from 'fastify';
import type { Arrival, UpstreamReader } from '../control/upstream-reader.js';
import { doorOf, pathOf } from '../doors.js';
import { jsonObject, textIn } from './json-of.js';
import type { TurnkeyOrganization } from './organizations.js';
import { refusals } from './refusals.js';
import { checkStamp } from './stamps.js';
import type { Stamper } from './stamps.js';
import { scriptedTurnkeyError, TurnkeyRefusal } from './turnkey-refusal.js';
import type { TurnkeyState } from './turnkey-state.js';

/** `refusal` is null if the request is valid. */
export interface StampedArrival {
  organization: TurnkeyOrganization | null;
  stamper: Stamper | null;
  refusal: TurnkeyRefusal | null;
}

type Json = Record<string, unknown> | null;

export class TurnkeyReader implements UpstreamReader {
  constructor(private readonly state: TurnkeyState) {}

  owns(request: FastifyRequest): boolean {
    return ['public-api', 'auth-proxy'].includes(doorOf(request));
  }

  read(request: FastifyRequest, rawBody: Buffer): Arrival {
    const body = jsonObject(rawBody);
    const stamped = doorOf(request) === 'public-api' ? this.#checkStamp(request, rawBody, body) : null;
    const timestampMs = textIn(body, 'timestampMs');
    const skewMs = Number(timestampMs) - this.state.clock.headerNowMs();
    return {
      ids: this.#idsOf(body, stamped?.stamper ?? null),
      headers: {
        pubkey: stamped?.pubkey ?? null,
        timestampSkewMs: timestampMs !== null && /^\d{1,16}$/.test(timestampMs) ? skewMs : null,
        signatureOk: stamped?.signatureOk ?? false,
      },
      verdict: null,
      stamped,
    };
  }

  scriptedError(status: number): object {
    return scriptedTurnkeyError(status);
  }

  #checkStamp({ headers, url }: FastifyRequest, rawBody: Buffer, body: Json) {
    try {
      const id = body?.['organizationId'];
      if (typeof id !== 'string') throw refusals.badRequest('needs a JSON object with an organizationId');
      const organization = this.state.organizations.require(id);
      // The official clients send the parent's id until they know the user's sub-organization.
      const lookUpBelow = organization.parentId === null && /\/(?:whoami|stamp_login)$/.test(pathOf(url));
      const verdict = checkStamp({ headers, rawBody, organization, lookUpBelow }, this.state);
      return { organization, ...verdict };
    } catch (refusal) {
      if (!(refusal instanceof TurnkeyRefusal)) throw refusal;
      return { organization: null, stamper: null, refusal, pubkey: null, signatureOk: false };
    }
  }

  /**
   * The ids in the body, the ids of its code or token, and the stamping user. Never the code or token itself.
   */
  #idsOf(body: Json, stamper: Stamper | null): Arrival['ids'] {
    const parameters = body?.['parameters'] ?? body;
    const organizationId = textIn(body, 'organizationId')?.toLowerCase() ?? null;
    const otpId = textIn(parameters, 'otpId');
    const contact = this.#contactOf(parameters, otpId);
    const owners = contact === null ? [] : this.state.organizations.knownOwners(contact);
    const owner =
      owners.find(({ organization }) => organization.organizationId === organizationId) ?? owners[0];
    const ofSubOrganization = stamper?.organization.parentId != null ? stamper.user.userId : null;
    const userId =
      textIn(parameters, 'userId')?.toLowerCase() ?? ofSubOrganization ?? owner?.user.userId ?? null;
    return { userId, accountId: null, otpId, organizationId, contact };
  }

  #contactOf(parameters: unknown, otpId: string | null): string | null {
    const token = textIn(parameters, 'verificationToken');
    const rootUsers = (parameters as { rootUsers?: unknown } | null)?.rootUsers;
    const rootUser: unknown = Array.isArray(rootUsers) ? rootUsers[0] : null;
    const filter = textIn(parameters, 'filterType') ?? '';
    return (
      textIn(parameters, 'contact') ??
      (['EMAIL', 'PHONE_NUMBER'].includes(filter) ? textIn(parameters, 'filterValue') : null) ??
      (otpId !== null ? this.state.codes.peek(otpId)?.contact : null) ??
      (token !== null ? this.state.tokens.peek(token)?.contact : null) ??
      textIn(rootUser, 'userEmail') ??
      textIn(rootUser, 'userPhoneNumber') ??
      textIn(parameters, 'userEmail') ??
      textIn(parameters, 'userPhoneNumber')
    );
  }
}
