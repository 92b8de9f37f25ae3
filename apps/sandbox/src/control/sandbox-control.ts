import type { StoredAuthenticator } from '../webauthn/authenticators.js';
import type { IntegratorApi } from '../byzantine/integrator-api.js';
import { parseIntegratorKey, type IntegratorKey } from '../byzantine/integrator-keys.js';
import type { Subject } from '../byzantine/subjects.js';
import type { SandboxClock } from '../sandbox-clock.js';
import type { NewTurnkeySubject, TurnkeySubject } from '../turnkey/organizations.js';
import type { Turnkey, TurnkeyFacts } from '../turnkey/turnkey.js';
import { FAULT_ROUTES, faultSpec } from './fault.dto.js';
import type { FaultSpec, ParsedFaultSpec } from './fault.dto.js';
import type { Fault, Faults } from './faults.js';
import { GLANCE_LIMIT, isTo, isWorthAGlance } from './glance.js';
import type { Glance, GlanceFilter } from './glance.js';
import type { Journal, JournalEntry } from './journal.js';
import type { Mail, Mailbox } from './mailbox.js';

/** Controls the sandbox over `/_sandbox`, or by calls in the same process. */
export class SandboxControl {
  constructor(
    private readonly clock: SandboxClock,
    private readonly mailbox: Mailbox,
    private readonly faults: Faults,
    private readonly journal: Journal,
    private readonly byzantine: IntegratorApi,
    private readonly turnkey: Turnkey,
    private readonly integratorKeys: Map<string, IntegratorKey>,
  ) {}

  /** Keeps the keys and Turnkey's parent organization. */
  reset(): void {
    for (const part of [this.byzantine, this.turnkey, this.mailbox, this.journal, this.clock]) part.reset();
    this.faults.remove();
  }

  addSubject(subject: Subject): void {
    this.byzantine.subjects.add({
      ...subject,
      accountId: subject.accountId.toLowerCase(),
      userId: subject.userId.toLowerCase(),
    });
  }

  addTurnkeySubject(subject: NewTurnkeySubject): TurnkeySubject {
    return this.turnkey.addSubject(subject);
  }

  /** Replaces all keys of the integrator at Byzantine. */
  registerKeys(keys: readonly string[]): void {
    this.integratorKeys.clear();
    for (const key of keys.map(parseIntegratorKey)) this.integratorKeys.set(key.pubkey, key);
  }

  registerTurnkeyKeys(publicKeys: readonly string[]): void {
    this.turnkey.state.organizations.registerParentKeys(publicKeys);
  }

  turnkeyFacts(): TurnkeyFacts {
    return this.turnkey.facts;
  }

  /** @returns the mails, newest first */
  mails(filter?: Parameters<Mailbox['list']>[0]): Mail[] {
    return this.mailbox.list(filter);
  }

  /** @throws ZodError for a contradictory fault */
  addFault(spec: FaultSpec): Fault {
    return this.putFault(faultSpec.parse(spec));
  }

  putFault(spec: ParsedFaultSpec): Fault {
    return this.faults.add(spec);
  }

  /** @returns the faults that are not used up, in the order in which they apply */
  pendingFaults(): readonly Fault[] {
    return this.faults.list();
  }

  removeFaults(id?: number): void {
    this.faults.remove(id);
  }

  /** @returns the requests, oldest first */
  requests(filter?: Parameters<Journal['list']>[0]): JournalEntry[] {
    return this.journal.list(filter);
  }

  glance({ address, userId }: GlanceFilter = {}): Glance {
    const requests = this.journal.list({ userId }).filter(isWorthAGlance).slice(-GLANCE_LIMIT).reverse();
    const applied = [...new Set(requests.map(({ fault }) => fault))].map((id) => this.faults.find(id));
    return {
      now: new Date(this.clock.nowMs()).toISOString(),
      mails: this.mailbox
        .list()
        .filter((mail) => isTo(mail, address))
        .slice(0, GLANCE_LIMIT),
      requests,
      faults: this.faults.list(),
      struck: applied.filter((fault) => fault !== null),
      routes: [...new Set(FAULT_ROUTES)],
    };
  }

  /** @returns the passkeys of a user, or of all users, at both upstreams. */
  authenticators(userId?: string): StoredAuthenticator[] {
    const id = userId?.toLowerCase();
    return [...this.byzantine.authenticators.list(id), ...this.turnkey.state.passkeys.list(id)];
  }

  canAdvanceClock(advanceMs: number): boolean {
    return this.clock.canAdvance(advanceMs);
  }

  /** With `livesOnly`, the accepted range of X-Timestamp does not move. */
  advanceClock(advanceMs: number, livesOnly = false): { now: string; headerNow: string } {
    this.clock.advance(advanceMs, livesOnly);
    const iso = (ms: number) => new Date(ms).toISOString();
    return { now: iso(this.clock.nowMs()), headerNow: iso(this.clock.headerNowMs()) };
  }
}
