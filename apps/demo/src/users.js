import { createHash } from 'node:crypto';
import { GangwayProblem } from './gangway.js';

/**
 * Stands in for your own table of users. In this demo, every e-mail address is a user. The demo registers
 * each user at the sandbox, because a wallet provider must already know each user.
 */
export class Users {
  /** @param {{sandboxUrl: string, integration: string}} options */
  constructor({ sandboxUrl, integration }) {
    this.sandboxUrl = sandboxUrl;
    this.turnkey = integration.startsWith('turnkey');
  }

  /** @param {string} email @returns {Promise<object>} */
  async subjectOf(email) {
    const accountId = idOf(`account ${email}`);
    const userId = idOf(`user ${email}`);
    if (this.turnkey) {
      await this.#register('/turnkey/subjects', { organizationId: accountId, userId, contact: email });
      return { contact: { type: 'email', value: email } };
    }
    await this.#register('/subjects', { accountId, userId, email });
    return { accountId, userId };
  }

  /** @param {string} path @param {object} user */
  async #register(path, user) {
    const response = await fetch(new URL(`/_sandbox${path}`, this.sandboxUrl), {
      method: 'POST',
      body: JSON.stringify(user),
      signal: AbortSignal.timeout(5_000),
    });
    if (response.status === 400) {
      throw new GangwayProblem(400, {
        code: 'validation_failed',
        detail: 'The address cannot receive mail.',
      });
    }
    if (!response.ok) throw new Error(`the sandbox answered ${response.status} to POST /_sandbox${path}`);
  }
}

/** Makes a UUID of version 8 (RFC 9562 §5.8), which is the same each time for the same name. */
function idOf(/** @type {string} */ name) {
  const hex = createHash('sha256').update(name).digest('hex');
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-8$3-8$4-$5');
}
